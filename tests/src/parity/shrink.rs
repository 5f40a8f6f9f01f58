//! The smallest script that still shows a difference.

use super::generate::Tree;
use super::operation::Step;
use super::pair::{Found, Pair};
use super::reference::Program;
use super::servers::Subject;
use super::tokens::Tokens;
use std::time::{Duration, Instant};

/// How long a server has for what it must send by itself. Most attempts fail by not sending it.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Part of what both servers were asked.
pub(crate) enum Item {
    /// An operation.
    Step(Tree),
    /// The end of a sequence.
    Finish,
}

/// One that is not made simpler any more, or not yet.
#[derive(Clone)]
enum Fixed {
    Step(Step),
    Finish,
}

/// Runs scripts on new servers.
struct Attempts<'a> {
    program: &'a Program,
    subject: &'a Subject,
    tokens: Tokens,
    title: String,
    deadline: Instant,
    /// What the smallest script found.
    best: Found,
}

/// Makes a script smaller that showed a difference, for so long; `None` when it does not show it
/// again.
pub(crate) async fn shrink(
    program: &Program,
    subject: &Subject,
    tokens: Tokens,
    items: Vec<Item>,
    found: Found,
    limit: Duration,
) -> Option<Found> {
    let deadline = Instant::now() + limit;
    let title = found.difference.title.clone();
    let mut attempts = Attempts { program, subject, tokens, title, deadline, best: found };
    let mut trees = shortest_end(&mut attempts, items).await?;
    let mut script: Vec<Fixed> = trees.iter().map(Item::fixed).collect();
    remove_parts(&mut attempts, &mut script, &mut trees).await;
    for (at, item) in trees.iter_mut().enumerate() {
        if let Item::Step(tree) = item {
            simplify(&mut attempts, &mut script, at, tree).await;
        }
    }
    // What is simpler may need less around it.
    remove_parts(&mut attempts, &mut script, &mut trees).await;
    Some(attempts.best)
}

impl Item {
    fn fixed(&self) -> Fixed {
        match self {
            Item::Step(tree) => Fixed::Step(tree.current()),
            Item::Finish => Fixed::Finish,
        }
    }
}

impl Attempts<'_> {
    /// Whether a script shows the difference. After the time limit none does.
    async fn show(&mut self, script: &[Fixed]) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        let played = play(self.program, self.subject, self.tokens, script).await;
        let Err(found) = played else { return false };
        let is_same = found.difference.title == self.title;
        if is_same {
            self.best = *found;
        }
        is_same
    }
}

async fn play(
    program: &Program,
    subject: &Subject,
    tokens: Tokens,
    script: &[Fixed],
) -> Result<(), Box<Found>> {
    let mut pair = Pair::start(program, subject, tokens, PATIENCE).await;
    for fixed in script {
        match fixed {
            Fixed::Step(step) => pair.run(step).await?,
            Fixed::Finish => pair.finish_sequence().await?,
        }
    }
    pair.finish_sequence().await
}

/// The last sequence, or the last few, or all: what shows the difference first.
async fn shortest_end(attempts: &mut Attempts<'_>, mut items: Vec<Item>) -> Option<Vec<Item>> {
    let mut sequences = 1;
    loop {
        let ends = items.iter().enumerate().filter(|(_, item)| matches!(item, Item::Finish));
        let starts: Vec<usize> =
            ends.map(|(at, _)| at + 1).filter(|at| *at < items.len()).collect();
        let start = starts.len().checked_sub(sequences).map_or(0, |at| starts[at]);
        let script: Vec<Fixed> = items[start..].iter().map(Item::fixed).collect();
        if attempts.show(&script).await {
            return Some(items.split_off(start));
        }
        if start == 0 {
            return None;
        }
        sequences *= 4;
    }
}

/// Leaves out parts, large ones first, as long as the difference stays.
async fn remove_parts(attempts: &mut Attempts<'_>, script: &mut Vec<Fixed>, trees: &mut Vec<Item>) {
    let mut size = script.len() / 2;
    while size > 0 {
        // From the end: what comes last mostly matters, and what stands before it mostly not.
        let mut end = script.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let mut fewer = script.clone();
            fewer.drain(start..end);
            if attempts.show(&fewer).await {
                *script = fewer;
                trees.drain(start..end);
            }
            end = start;
        }
        size /= 2;
    }
}

/// Makes one operation simpler, as long as the difference stays.
async fn simplify(attempts: &mut Attempts<'_>, script: &mut [Fixed], at: usize, tree: &mut Tree) {
    let mut changed = tree.simplify();
    while changed && Instant::now() < attempts.deadline {
        let kept = std::mem::replace(&mut script[at], Fixed::Step(tree.current()));
        changed = if attempts.show(script).await {
            tree.simplify()
        } else {
            script[at] = kept;
            tree.complicate()
        };
    }
}
