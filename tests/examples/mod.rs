//! The examples, run: each tells its story to a test, which knows how it goes.

#[path = "../../examples/supervised_actor.rs"]
mod supervised_actor;

#[test]
fn the_supervised_actor_panics_comes_back_and_is_stopped() {
    let mut told = Vec::new();
    actix::System::new()
        .block_on(supervised_actor::story(&mut told))
        .unwrap();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(
        told.lines().map(str::trim_end).collect::<Vec<_>>(),
        [
            "Hello Ada, you are number 1",
            "Hello Bob, you are number 2",
            "the greeter panicked; its address stays",
            "Hello Eve, you are number 1",
            "stopped: [Stopped { name: \"greeter\", how: Clean, undelivered: 0 }]",
            "1. greeter started",
            "2. greeter panicked nobody to greet",
            "3. greeter restarted",
            "4. greeter stopped",
        ]
    );
}
