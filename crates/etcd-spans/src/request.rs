//! One call under way: its steps, what is noted of it, and its end.

use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder};
use opentelemetry_sdk::trace::Span;
use parking_lot::Mutex;
use tonic::Code;

use crate::code::is_fault;
use crate::export::set_end;
use crate::recent::Remembered;
use crate::{Attribute, Expected, Spans};

/// A call that somebody wants to know of. Cheap to clone: clones are the same call. One of which
/// nothing is left without an end was cancelled.
#[derive(Clone)]
pub struct Request(Arc<Shared>);

struct Shared {
    spans: Spans,
    state: Mutex<State>,
}

struct State {
    /// The call's span and those of its steps under way, innermost last. Empty if nothing of it is
    /// exported, or it has ended.
    open: Vec<Span>,
    /// `None` if it is not remembered, or has ended.
    remembered: Option<Remembered>,
}

impl Request {
    pub(crate) fn begin(
        spans: Spans,
        span: Option<Span>,
        remembered: Option<Remembered>,
    ) -> Request {
        let state = State { open: span.into_iter().collect(), remembered };
        Request(Arc::new(Shared { spans, state: Mutex::new(state) }))
    }

    /// A step begins. It ends when what is returned is dropped; steps end in the opposite order.
    pub fn step(&self, name: &'static str, attributes: Vec<Attribute>) -> Step {
        let mut state = self.0.state.lock();
        state.tell(|| {
            let attributes = attributes.iter().map(|attribute| format!(" {attribute}"));
            format!("{name}{}", attributes.collect::<String>())
        });
        let depth = state.open.len();
        if let (Some(exporting), Some(parent)) = (self.0.spans.exporting(), state.open.last()) {
            let attributes = attributes.into_iter().map(KeyValue::from);
            let builder = SpanBuilder::from_name(name).with_attributes(attributes);
            let span = exporting.step(builder, parent.span_context());
            state.open.push(span);
        }
        drop(state);
        Step { request: self.clone(), name, depth }
    }

    /// A step beside others, which it may outlast.
    pub fn long_step(&self, name: &'static str, attributes: Vec<Attribute>) -> LongStep {
        let state = self.0.state.lock();
        let remarks = attributes.iter().map(|attribute| format!(" {attribute}"));
        let told = format!("{name}{}", remarks.collect::<String>());
        let span = match (self.0.spans.exporting(), state.open.first()) {
            (Some(exporting), Some(call)) => {
                let attributes = attributes.into_iter().map(KeyValue::from);
                let builder = SpanBuilder::from_name(name).with_attributes(attributes);
                Some(exporting.step(builder, call.span_context()))
            }
            _ => None,
        };
        state.tell(|| format!("{told}: begins"));
        LongStep { request: self.clone(), told, _span: span }
    }

    /// There was a step, of which only now it is known when.
    pub fn past_step(&self, name: &'static str, begun: SystemTime, ended: SystemTime) {
        let state = self.0.state.lock();
        state.tell(|| {
            let took = ended.duration_since(begun).unwrap_or_default();
            format!("{name}: took {took:?}")
        });
        if let (Some(exporting), Some(parent)) = (self.0.spans.exporting(), state.open.last()) {
            let builder = SpanBuilder::from_name(name).with_start_time(begun);
            exporting.step(builder, parent.span_context()).end_with_timestamp(ended);
        }
    }

    /// Something happened in the innermost step.
    pub fn note(&self, event: &'static str) {
        let mut state = self.0.state.lock();
        state.tell(|| event.to_owned());
        if let Some(span) = state.open.last_mut() {
            span.add_event(event, Vec::new());
        }
    }

    /// Something is to be remembered that is not exported.
    pub fn remark(&self, text: impl FnOnce() -> String) {
        self.0.state.lock().tell(text);
    }

    /// The innermost step failed for this reason.
    pub fn fail(&self, reason: &str) {
        let mut state = self.0.state.lock();
        state.tell(|| format!("failed: {reason}"));
        if let Some(span) = state.open.last_mut() {
            let message = KeyValue::new("exception.message", reason.to_owned());
            span.add_event("exception", vec![message]);
        }
    }

    /// The times at which the command with this id is applied are wanted.
    pub fn expect(&self, id: u64) -> Expected {
        self.0.spans.applies().expect(id)
    }

    /// The call is answered. The first end counts.
    pub fn end(&self, code: Code, message: &str) {
        self.0.end(code, message);
    }
}

impl Shared {
    fn end(&self, code: Code, message: &str) {
        let mut state = self.state.lock();
        // Steps that are still under way end before the call that they are part of.
        while state.open.len() > 1 {
            state.open.pop();
        }
        if let Some(mut span) = state.open.pop() {
            set_end(&mut span, code, message);
        }
        let remembered = state.remembered.take();
        drop(state);
        if let Some(remembered) = remembered {
            let error = (code != Code::Ok).then(|| format!("{code:?}: {message}"));
            if is_fault(code) {
                remembered.blame(error.as_deref().unwrap_or_default());
            }
            remembered.end(error);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end(Code::Cancelled, "context canceled");
    }
}

impl State {
    fn tell(&self, text: impl FnOnce() -> String) {
        if let Some(remembered) = &self.remembered {
            remembered.trace.note(text());
        }
    }
}

/// A step under way.
pub struct Step {
    request: Request,
    name: &'static str,
    /// How many spans were open before it.
    depth: usize,
}

impl Drop for Step {
    fn drop(&mut self) {
        let mut state = self.request.0.state.lock();
        state.open.truncate(self.depth.max(1));
        state.tell(|| format!("{}: done", self.name));
    }
}

/// A step under way beside others. It ends when it is dropped.
pub struct LongStep {
    request: Request,
    told: String,
    /// It ends by itself.
    _span: Option<Span>,
}

impl Drop for LongStep {
    fn drop(&mut self) {
        self.request.0.state.lock().tell(|| format!("{}: done", self.told));
    }
}
