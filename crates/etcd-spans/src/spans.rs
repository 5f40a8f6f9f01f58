//! Where requests begin.

use std::sync::Arc;
use std::time::Duration;

use crate::export::Exporting;
use crate::{Applies, Error, Export, Incoming, Recent, Request};

/// What makes spans of requests. Cheap to clone.
#[derive(Clone)]
pub struct Spans(Arc<Parts>);

struct Parts {
    exporting: Option<Exporting>,
    recent: Option<Recent>,
    applies: Applies,
}

impl Spans {
    /// Requests are remembered in memory, if that is wanted. `None` if nothing at all is wanted of
    /// them: then nobody should pay for it.
    ///
    /// # Errors
    /// The collector's address is none. That it does not answer is no error, now or later.
    ///
    /// # Panics
    /// Outside of a runtime of tokio, on which spans travel.
    pub fn start(export: Option<&Export>, recent: Option<Recent>) -> Result<Option<Spans>, Error> {
        if export.is_none() && recent.is_none() {
            return Ok(None);
        }
        let exporting = export.map(Exporting::start).transpose()?;
        Ok(Some(Spans(Arc::new(Parts { exporting, recent, applies: Applies::default() }))))
    }

    /// A call arrives. `None` if nobody wants to know of it.
    pub fn begin(&self, call: &Incoming<'_>) -> Option<Request> {
        let span = self.0.exporting.as_ref().and_then(|exporting| exporting.begin(call));
        let remembered = self.0.recent.as_ref().map(|recent| recent.begin(call));
        (span.is_some() || remembered.is_some())
            .then(|| Request::begin(self.clone(), span, remembered))
    }

    /// Where those who apply commands tell when that was.
    pub fn applies(&self) -> &Applies {
        &self.0.applies
    }

    /// Exports what waits, and ends. It blocks, for no longer than this.
    pub fn stop(&self, limit: Duration) {
        if let Some(exporting) = &self.0.exporting {
            exporting.stop(limit);
        }
    }

    pub(crate) fn exporting(&self) -> Option<&Exporting> {
        self.0.exporting.as_ref()
    }
}
