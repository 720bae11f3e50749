//! A supervisor: the handle by which children are started under it.

use std::sync::Arc;

use super::address::{Address, Supervised};
use super::child::Child;
use super::delivery::Delivery;
use super::ends::EndGuard;
use super::life::Life;
use super::nest::{self, Nest, Place, own_place};
use super::snapshot::NodeKind;
use super::spec::ChildSpec;
use super::strategy::SupervisorSpec;
use super::vessel::{Factory, Vessel};
use super::watch::sealed::{Sealed, Watched};
use super::watchman;

/// The handle of a supervisor. Cheap to clone; may be used from any thread. Dropping it stops nothing.
#[derive(Clone)]
pub struct Supervisor {
    nest: Arc<Nest>,
}

impl Supervisor {
    pub(super) fn new(nest: Arc<Nest>) -> Self {
        Self { nest }
    }

    pub(super) fn nest(&self) -> &Arc<Nest> {
        &self.nest
    }

    /// Starts a child and returns at once; messages may be sent to it from now on.
    ///
    /// `factory` builds the actor, now and at every restart, on the thread of the spec's arbiter, or of the current one if
    /// the spec names none. Should it panic, that is a failure of the child and it is tried again.
    ///
    /// A name that a child of the tree already has gets a number added (`mailer#2`); that of a stopped child is free again.
    ///
    /// Without an arbiter that runs, after a stop of the supervisor began, and beyond its `children_max`, nothing is
    /// started: the address is closed.
    pub fn start<A: Supervised>(&self, spec: ChildSpec, factory: impl Fn() -> A + Send + Sync + 'static) -> Address<A> {
        let place = self.nest.place(&spec.placement);
        let (child, queue, guard) = self.nest.admit_with_queue::<Delivery<A>>(spec, NodeKind::Actor);
        let address = Address::new(Arc::clone(&child), Arc::clone(&queue));
        let Some(guard) = guard else {
            return address;
        };
        let Some(place) = place else {
            Nest::has_no_place(&child);
            return address;
        };
        let factory: Factory<A> = Arc::new(factory);
        let launch = move |guard: EndGuard, place: Place| {
            let (factory, address) = (
                Arc::clone(&factory),
                Address::new(Arc::clone(&guard.child), Arc::clone(&queue)),
            );
            // A refusal drops the guard, which ends the child.
            place.arbiter.spawn_fn(move || {
                let vessel = Vessel::new(factory, address);
                let life = Life { vessel, guard };
                actix::spawn(async move {
                    life.run().await;
                    if place.is_own {
                        nest::left_alone().await;
                        actix::Arbiter::current().stop();
                    }
                });
            });
        };
        if place.is_own {
            let again = launch.clone();
            let relaunch = move |child: &Arc<Child>| {
                let Some(place) = own_place() else { return false };
                let Some(task) = child.leave_task_behind() else {
                    place.arbiter.stop();
                    return false;
                };
                let child = Arc::clone(child);
                again(EndGuard { child, task }, place);
                true
            };
            // Set once: the child was made above.
            drop(child.relaunch.set(Box::new(relaunch)));
        }
        launch(guard, place);
        address
    }

    /// Starts a supervisor as a child of this one.
    ///
    /// It is there at once, and so are its children as they are started; what is said of names and of what cannot be
    /// started at [`start`](Self::start) holds for it too.
    pub fn supervisor(&self, spec: SupervisorSpec) -> Self {
        let SupervisorSpec { child: spec, rules } = spec;
        let place = self.nest.place_of_task(&spec.placement);
        let (child, guard) = self.nest.admit(spec);
        let arbiter = place.as_ref().map(|place| place.arbiter.clone());
        let (nest, receiver) = Nest::of(&child, rules, arbiter);
        let supervisor = Self {
            nest: Arc::clone(&nest),
        };
        let Some(guard) = guard else {
            return supervisor;
        };
        let Some(place) = place else {
            Nest::has_no_place(&child);
            return supervisor;
        };
        watchman::launch(nest, receiver, guard, &place.arbiter);
        supervisor
    }

    /// The supervisor's name in the tree.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.nest.child.name
    }
}

impl Sealed for Supervisor {
    fn watched(&self) -> Watched<'_> {
        Watched(&self.nest.child)
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Supervisor").field(&self.name()).finish()
    }
}
