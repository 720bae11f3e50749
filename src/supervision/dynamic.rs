//! Children of one spec, started on demand with an argument each.

use std::sync::Arc;

use super::address::{Address, Supervised};
use super::spec::ChildSpec;
use super::strategy::{Strategy, SupervisorSpec};
use super::supervisor::Supervisor;

/// A supervisor of children of one spec. Cheap to clone; may be used from any thread.
///
/// Each child is restarted alone and with the argument that it was started with; all are ended together. Children that are
/// ended with their supervisor, or when it fails, do not come back with it.
pub struct Dynamic<A: Supervised, T> {
    supervisor: Supervisor,
    spec: ChildSpec,
    factory: Arc<dyn Fn(&T) -> A + Send + Sync>,
}

impl Supervisor {
    /// Starts a supervisor whose children are all of `child`'s spec and built by `factory` from their argument.
    pub fn dynamic<A: Supervised, T: Send + Sync + 'static>(
        &self,
        spec: SupervisorSpec,
        child: ChildSpec,
        factory: impl Fn(&T) -> A + Send + Sync + 'static,
    ) -> Dynamic<A, T> {
        Dynamic {
            supervisor: self.supervisor(spec.strategy(Strategy::Dynamic)),
            spec: child,
            factory: Arc::new(factory),
        }
    }
}

impl<A: Supervised, T: Send + Sync + 'static> Dynamic<A, T> {
    /// Starts another child, named as the spec says and numbered. What is said at [`Supervisor::start`] holds.
    pub fn start(&self, argument: T) -> Address<A> {
        let factory = Arc::clone(&self.factory);
        self.supervisor.start(self.spec.clone(), move || factory(&argument))
    }

    /// How many children there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.supervisor.nest().count()
    }

    /// The supervisor.
    #[must_use]
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }
}

impl<A: Supervised, T> Clone for Dynamic<A, T> {
    fn clone(&self) -> Self {
        Self {
            supervisor: self.supervisor.clone(),
            spec: self.spec.clone(),
            factory: Arc::clone(&self.factory),
        }
    }
}

impl<A: Supervised, T> std::fmt::Debug for Dynamic<A, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dynamic").field(&self.supervisor.name()).finish()
    }
}
