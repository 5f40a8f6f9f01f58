//! Answers, line by line. Of a long list the middle is left out, with a digest of what stands there.

use tonic::Status;

/// Lists with more lines are shortened.
const LONG: usize = 12;

/// Lines of a shortened list that stay, at either end.
const KEPT: usize = 2;

/// An answer, line by line.
#[derive(Debug, Default)]
pub struct Answer {
    lines: Vec<String>,
    indent: usize,
}

/// What can be written into an answer.
pub trait Show {
    /// Writes it.
    fn show(&self, answer: &mut Answer);
}

/// `InvalidArgument: etcdserver: key is not provided`.
pub fn show_status(status: &Status) -> String {
    // In some programs Go puts a wider space after `proto:`, lest anyone rely on it.
    let message = status.message().replace('\u{a0}', " ");
    format!("{:?}: {message}", status.code()).trim_end().to_owned()
}

impl Answer {
    /// The lines, each with its end.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        let line = format!("{}{}", "  ".repeat(self.indent), line.as_ref());
        self.lines.push(line.trim_end().to_owned());
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Puts a word in front of a line that is no deeper than the next would be.
    ///
    /// # Panics
    ///
    /// When there are not so many lines.
    pub fn begin_line(&mut self, number: usize, word: &str) {
        self.lines[number].insert_str(2 * self.indent, &format!("{word} "));
    }

    /// Adds what belongs to the line before, deeper by one step.
    pub fn within(&mut self, write: impl FnOnce(&mut Answer)) {
        self.indent += 1;
        write(self);
        self.indent -= 1;
    }

    /// Adds a list that belongs to the line before; the middle of a long one is left out.
    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&T, &mut Answer)) {
        let start = self.lines.len();
        self.within(|answer| items.iter().for_each(|item| write(item, answer)));
        let count = self.lines.len() - start;
        if count > LONG {
            let middle = start + KEPT..self.lines.len() - KEPT;
            let digest = digest(&self.lines[middle.clone()]);
            let indent = "  ".repeat(self.indent + 1);
            let line = format!("{indent}... {} more, digest {digest:08x}", count - 2 * KEPT);
            self.lines.splice(middle, [line]);
        }
    }
}

/// FNV-1a's 32 bits over the lines.
fn digest(lines: &[String]) -> u32 {
    let bytes = lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
