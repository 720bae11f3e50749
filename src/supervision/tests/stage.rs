//! Actors that do as a test tells them, and one account of all that they did.
//!
//! Every actor of a test plays on one stage, so that the order of what different actors did is known. A life is one build of
//! an actor; lives are numbered over the whole stage, so that two answers tell whether the same life gave them.

use super::*;

/// What the actors of one test share.
#[derive(Clone, Default)]
pub(super) struct Stage(Arc<Mutex<Play>>);

#[derive(Default)]
struct Play {
    acts: Vec<Act>,
    parts: HashMap<String, Part>,
    lives: usize,
    /// Lives whose value is not dropped yet.
    alive: usize,
}

/// What one actor shall do, in all its lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// How many of the next calls of the factory panic.
    pub(super) factory_fails: u32,
    /// Whether the `started` hook panics.
    pub(super) started_fails: bool,
    /// Whether the `stopped` hook panics.
    pub(super) stopped_fails: bool,
    /// How long the actor goes on after it was told to stop.
    pub(super) stops_after: Duration,
}

/// Something that an actor did, with its name and life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The factory was called and panicked.
    Failed(String),
    Built(String, usize),
    Handled(String, usize, u32),
    Boomed(String, usize, u32),
    Stopped(String, usize),
    Dropped(String, usize),
    /// Set by the test.
    Mark,
}

impl Stage {
    fn with<T>(&self, act: impl FnOnce(&mut Play) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn note(&self, act: Act) {
        self.with(|play| play.acts.push(act));
    }

    /// Changes what the actor of that name shall do.
    pub(super) fn part(&self, name: &str, change: impl FnOnce(&mut Part)) {
        self.with(|play| change(play.parts.entry(name.to_owned()).or_default()));
    }

    pub(super) fn mark(&self) {
        self.note(Act::Mark);
    }

    /// All that was done, in order.
    pub(super) fn acts(&self) -> Vec<Act> {
        self.with(|play| play.acts.clone())
    }

    /// All that was done since the last mark.
    pub(super) fn since_mark(&self) -> Vec<Act> {
        let mut acts = self.acts();
        let at = acts.iter().rposition(|act| *act == Act::Mark).map_or(0, |at| at + 1);
        acts.split_off(at)
    }

    /// Whose actors were built since the last mark, in order.
    pub(super) fn built(&self) -> Vec<String> {
        let built = |act| {
            if let Act::Built(name, _) = act {
                Some(name)
            } else {
                None
            }
        };
        self.since_mark().into_iter().filter_map(built).collect()
    }

    /// Whose actors ran their `stopped` hook since the last mark, in order.
    pub(super) fn stopped(&self) -> Vec<String> {
        let stopped = |act| {
            if let Act::Stopped(name, _) = act {
                Some(name)
            } else {
                None
            }
        };
        self.since_mark().into_iter().filter_map(stopped).collect()
    }

    /// How many lives are not dropped yet.
    pub(super) fn alive(&self) -> usize {
        self.with(|play| play.alive)
    }

    /// Builds the actor that plays `name`.
    pub(super) fn player(&self, name: &str) -> Player {
        let (life, fails) = self.with(|play| {
            let part = play.parts.entry(name.to_owned()).or_default();
            let fails = part.factory_fails > 0;
            part.factory_fails = part.factory_fails.saturating_sub(1);
            if fails {
                play.acts.push(Act::Failed(name.to_owned()));
                return (0, true);
            }
            play.lives += 1;
            play.alive += 1;
            play.acts.push(Act::Built(name.to_owned(), play.lives));
            (play.lives, false)
        });
        assert!(!fails, "factory failed");
        Player {
            name: name.to_owned(),
            life,
            going: false,
            stage: self.clone(),
        }
    }

    pub(super) fn factory(&self, name: &str) -> impl Fn() -> Player + Send + Sync + 'static {
        let (stage, name) = (self.clone(), name.to_owned());
        move || stage.player(&name)
    }
}

/// An actor on the stage.
pub(super) struct Player {
    name: String,
    life: usize,
    /// Whether it was told to stop and is taking its time.
    going: bool,
    stage: Stage,
}

supervised!(Player);

impl Player {
    fn part(&self) -> Part {
        self.stage
            .with(|play| play.parts.get(&self.name).cloned().unwrap_or_default())
    }
}

impl Actor for Player {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        assert!(!self.part().started_fails, "started failed");
    }

    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        let rest = self.part().stops_after;
        if self.going || rest.is_zero() {
            return Running::Stop;
        }
        self.going = true;
        ctx.run_later(rest, |_, ctx| ctx.stop());
        Running::Continue
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.stage.note(Act::Stopped(self.name.clone(), self.life));
        assert!(!self.part().stopped_fails, "stopped failed");
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stage.with(|play| {
            play.alive -= 1;
            play.acts.push(Act::Dropped(self.name.clone(), self.life));
        });
    }
}

/// Answers with the number of the life that is asked.
#[derive(Message)]
#[rtype(result = "usize")]
pub(super) struct Life;

impl Handler<Life> for Player {
    type Result = usize;

    fn handle(&mut self, Life: Life, _: &mut Self::Context) -> usize {
        self.life
    }
}

impl Handler<Note> for Player {
    type Result = actix::MessageResult<Note>;

    fn handle(&mut self, Note(number): Note, _: &mut Self::Context) -> Self::Result {
        self.stage.note(Act::Handled(self.name.clone(), self.life, number));
        actix::MessageResult(number)
    }
}

impl Handler<Boom> for Player {
    type Result = ();

    fn handle(&mut self, Boom(number): Boom, _: &mut Self::Context) {
        self.stage.note(Act::Boomed(self.name.clone(), self.life, number));
        panic!("boom {number}");
    }
}

impl Handler<Quit> for Player {
    type Result = ();

    fn handle(&mut self, Quit: Quit, ctx: &mut Self::Context) {
        self.going = true;
        ctx.stop();
    }
}

impl Handler<Run> for Player {
    type Result = ();

    fn handle(&mut self, Run(what): Run, _: &mut Self::Context) {
        what();
    }
}

impl Handler<Hold> for Player {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Hold(go): Hold, _: &mut Self::Context) -> Self::Result {
        let wait = async move { go.acquire().await.unwrap().forget() };
        AtomicResponse::new(Box::pin(wrap_future::<_, Self>(wait)))
    }
}
