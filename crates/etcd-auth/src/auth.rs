//! The store beside the applier, for everybody who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::{SimpleTokens, Store};

/// The store as it was last committed, and this member's tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// A copy of the store's own word, for whoever must know nothing else.
    is_enabled: AtomicBool,
    store: ArcSwap<Store>,
    tokens: SimpleTokens,
}

impl Auth {
    /// Shows `store`, and knows of no token.
    pub fn new(store: Arc<Store>) -> Auth {
        let shared = Shared {
            is_enabled: AtomicBool::new(store.is_enabled()),
            store: ArcSwap::new(store),
            tokens: SimpleTokens::default(),
        };
        Auth { shared: Arc::new(shared) }
    }

    /// Shows a store that is committed now.
    pub fn publish(&self, store: &Arc<Store>) {
        if !Arc::ptr_eq(&self.shared.store.load(), store) {
            self.shared.store.store(Arc::clone(store));
            self.shared.is_enabled.store(store.is_enabled(), Ordering::Relaxed);
        }
    }

    /// Shows a store that came from elsewhere as a whole. Of the changes that led to it nothing was
    /// seen, so that only tokens of users who are as they were stay good.
    pub fn replace(&self, store: &Arc<Store>) {
        let before = self.store();
        if store.is_enabled() {
            self.shared.tokens.keep_users(|user| store.has_same_password(&before, user));
        } else {
            self.shared.tokens.clear();
        }
        self.publish(store);
    }

    /// Whether users and permissions count: the one question of every request while they do not.
    pub fn is_enabled(&self) -> bool {
        self.shared.is_enabled.load(Ordering::Relaxed)
    }

    /// The store as it is now.
    pub fn store(&self) -> Arc<Store> {
        self.shared.store.load_full()
    }

    /// The tokens that this member knows.
    pub fn tokens(&self) -> &SimpleTokens {
        &self.shared.tokens
    }
}
