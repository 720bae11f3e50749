//! An actor that panics, comes back at the same address with its mailbox, and is stopped in order.
//!
//! `cargo run --example supervised_actor` prints what happens; a test of this project holds it to that.

use std::io::{Result, Write, stdout};

use legwork::clock::Clock;
use legwork::supervision::{AskError, ChildSpec, Context, Heard, Tree, supervised};

/// Counts the people it greets, and cannot bear an empty name.
struct Greeter {
    greeted: u32,
}

impl actix::Actor for Greeter {
    type Context = Context<Self>;
}

supervised!(Greeter);

#[derive(actix::Message)]
#[rtype(result = "String")]
struct Greet(&'static str);

impl actix::Handler<Greet> for Greeter {
    type Result = String;

    fn handle(&mut self, Greet(name): Greet, _: &mut Context<Self>) -> String {
        assert!(!name.is_empty(), "nobody to greet");
        self.greeted += 1;
        format!("Hello {name}, you are number {}", self.greeted)
    }
}

/// What happens, written to `out`.
pub(crate) async fn story(out: &mut impl Write) -> Result<()> {
    let tree = Tree::new("root", Clock::System);
    let mut events = tree.subscribe();
    let greeter = tree.start(ChildSpec::new("greeter"), || Greeter { greeted: 0 });

    for name in ["Ada", "Bob", "", "Eve"] {
        match greeter.ask(Greet(name)).await {
            Ok(greeting) => writeln!(out, "{greeting}")?,
            Err(AskError::Panicked) => writeln!(out, "the greeter panicked; its address stays")?,
            Err(error) => writeln!(out, "{error}")?,
        }
    }

    let stopped = tree.stop().await;
    writeln!(out, "stopped: {stopped:?}")?;
    // Started, panicked, restarted, stopped.
    for _ in 0..4 {
        if let Some(Heard::Event(event)) = events.next().await {
            let error = event.error.as_deref().unwrap_or_default();
            writeln!(out, "{}. {} {} {error}", event.number, event.child, event.kind.as_str())?;
        }
    }
    Ok(())
}

#[actix::main]
async fn main() -> Result<()> {
    story(&mut stdout()).await
}
