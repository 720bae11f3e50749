//! What all children of one tree share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::child::Child;
use super::event::Journal;
use super::plan::Id;
use super::stillness::Stillness;
use super::stopped::Stopped;
use crate::clock::Clock;

pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    /// Set when the stop of the whole tree begins; no life begins from then on.
    pub(super) stopping: AtomicBool,
    /// Whether operators may ask for panics.
    pub(super) fault_injection: AtomicBool,
    /// Every child that has not ended, by its name. A std mutex: held for a few instructions, and never across an await.
    children: Mutex<HashMap<String, Arc<Child>>>,
    ids: AtomicU64,
    /// Tasks that hang on threads of theirs, and were left behind there; of all children that ever were.
    pub(super) left_behind: AtomicUsize,
    /// What became of the children, in the order of their ends, while the tree stops.
    ends: Mutex<Vec<Stopped>>,
    /// Whether all children share the thread of whoever starts them, whatever their specs say: for tests.
    pub(super) one_thread: AtomicBool,
    /// Holds the time still while a thread works: for tests.
    pub(super) stillness: Arc<Stillness>,
}

impl Surroundings {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            journal: Journal::new(),
            stopping: AtomicBool::new(false),
            fault_injection: AtomicBool::new(false),
            children: Mutex::default(),
            ids: AtomicU64::new(1),
            left_behind: AtomicUsize::new(0),
            ends: Mutex::default(),
            one_thread: AtomicBool::new(false),
            stillness: Arc::default(),
        }
    }

    /// Enters a child, and what is made with it, under `name`, or that name with a number if it is taken.
    pub(super) fn enter<Q>(&self, name: &str, make: impl FnOnce(Id, String) -> (Arc<Child>, Q)) -> (Arc<Child>, Q) {
        let id = self.ids.fetch_add(1, Ordering::SeqCst);
        let mut children = self.children();
        let mut free = name.to_owned();
        if children.contains_key(name) {
            // The child's own number first: it is free unless somebody chose such a name, and ten thousand children of one
            // name must not look through each other's.
            let mut number = if children.len() > FEW { id } else { 2 };
            loop {
                free = format!("{name}#{number}");
                if !children.contains_key(&free) {
                    break;
                }
                number += 1;
            }
        }
        let (child, queue) = make(id, free.clone());
        children.insert(free, Arc::clone(&child));
        (child, queue)
    }

    /// Notes what became of a child, if the tree stops: once, also of one that ends after it was given up.
    pub(super) fn note_end(&self, child: &Child) {
        if self.stopping.load(Ordering::SeqCst) && child.is_first_note() {
            self.ends().push(child.stopped());
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Child>> {
        self.children().get(name).cloned()
    }

    /// The names of all that have not ended.
    #[cfg(feature = "testing")]
    pub(super) fn names(&self) -> Vec<String> {
        self.children().keys().cloned().collect()
    }

    /// The child of that number is not there any more.
    pub(super) fn forget(&self, name: &str, id: Id) {
        let mut children = self.children();
        if children.get(name).is_some_and(|child| child.id == id) {
            children.remove(name);
        }
    }

    pub(super) fn ends(&self) -> MutexGuard<'_, Vec<Stopped>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn children(&self) -> MutexGuard<'_, HashMap<String, Arc<Child>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Up to so many children, a taken name gets the smallest free number.
const FEW: usize = 64;
