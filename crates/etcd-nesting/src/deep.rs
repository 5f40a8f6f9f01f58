//! The owner of a message that may be deep.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::Nested;
use crate::nested::{dismantle, levels};
use crate::stack::with_room;

/// A message that may be deep. Dropping it takes no stack; to walk it by recursion, and that is
/// also to encode, compare or print it, there is [`Deep::visit`].
#[derive(Default)]
pub struct Deep<T: Nested>(T);

impl<T: Nested> Deep<T> {
    /// Takes charge of a message.
    pub fn new(message: T) -> Deep<T> {
        Deep(message)
    }

    /// How many messages of the kind stand inside each other, this one included.
    pub fn levels(&self) -> usize {
        levels(&self.0)
    }

    /// Calls `visitor` on a stack with room for recursion into every level.
    pub fn visit<R>(&self, visitor: impl FnOnce(&T) -> R) -> R {
        with_room(self.levels(), || visitor(&self.0))
    }
}

impl<T: Nested + Default> Deep<T> {
    /// The message, for those who know that it is not deep, or who care for its drop themselves.
    pub fn into_inner(mut self) -> T {
        std::mem::take(&mut self.0)
    }
}

impl<T: Nested> Drop for Deep<T> {
    fn drop(&mut self) {
        dismantle(&mut self.0);
    }
}

impl<T: Nested> Deref for Deep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Nested> DerefMut for Deep<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Nested> From<T> for Deep<T> {
    fn from(message: T) -> Deep<T> {
        Deep::new(message)
    }
}

impl<T: Nested + Clone> Clone for Deep<T> {
    fn clone(&self) -> Deep<T> {
        self.visit(|message| Deep(message.clone()))
    }
}

impl<T: Nested + PartialEq> PartialEq for Deep<T> {
    fn eq(&self, other: &Deep<T>) -> bool {
        self.visit(|message| *message == other.0)
    }
}

impl<T: Nested + fmt::Debug> fmt::Debug for Deep<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visit(|message| message.fmt(formatter))
    }
}

#[cfg(test)]
#[path = "deep_tests.rs"]
mod tests;
