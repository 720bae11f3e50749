//! A step at which a relay waits until it is released.

use std::sync::Arc;

use tokio::sync::watch;

/// A step at which the relay waits; clones are of the same.
#[derive(Clone, Debug)]
pub struct Hold {
    state: Arc<watch::Sender<HoldState>>,
}

#[derive(Debug)]
pub(super) struct HoldState {
    pub(super) reached: usize,
    released: bool,
}

impl Hold {
    pub(super) fn new() -> Self {
        let state = watch::Sender::new(HoldState {
            reached: 0,
            released: false,
        });
        Self { state: Arc::new(state) }
    }

    /// Lets all dialogues go on, later ones included.
    pub fn release(&self) {
        self.state.send_modify(|state| state.released = true);
    }

    #[cfg(feature = "testing")]
    pub(super) fn watch(&self) -> watch::Receiver<HoldState> {
        self.state.subscribe()
    }

    pub(super) async fn wait(&self) {
        self.state
            .send_modify(|state| state.reached = state.reached.saturating_add(1));
        // It fails where there is no sender any more, and this holds one.
        if self.state.subscribe().wait_for(|state| state.released).await.is_err() {}
    }
}
