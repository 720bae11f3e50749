//! The page of `legwork sandbox` in a real browser: it shows what comes, and what comes does nothing there.

use super::pages::Browser;
use super::sandbox::Sandbox;

/// A mail whose subject, texts and file would each change the title, or clear the list, if they ran.
const HOSTILE: &str = "From: me@example.com\r\nTo: ann@example.com\r\n\
    Subject: Offer <img src=x onerror=\"document.title='ran'\">\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\
    <title>mine</title><meta http-equiv=\"refresh\" content=\"0;url=/api/messages\">\
    <p>Hello Ann</p><img src=x onerror=\"top.document.title='ran'\">\
    <script>document.title='ran';fetch('/api/messages',{method:'DELETE'})</script>\
    <form action=/api/rules method=post><button id=b>Go</button></form>";

#[tokio::test]
async fn a_mail_appears_by_itself_and_runs_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let sandbox = Sandbox::start(&[]);
    browser.go(&sandbox.base).await;
    browser.wait_for("0 held").await;
    browser.wait_for("+450-once").await;
    assert_eq!(browser.complaints().await.as_array().map(Vec::len), Some(0));

    sandbox.send("ann@example.com", HOSTILE);
    browser.wait_for("offer <img src=x onerror=").await;
    browser.click("#list button").await;
    browser.wait_for("me@example.com").await;
    let frame = browser
        .run("return document.querySelector('iframe').getAttribute('sandbox')")
        .await;
    assert_eq!(frame, "");
    browser.click("[data-view=transcript]").await;
    browser.wait_for("c: rcpt to:<ann@example.com>").await;
    assert_eq!(browser.run("return document.title").await, "Legwork sandbox");

    // On its own, as who opens the frame in a tab has it.
    browser.go(&format!("{}/messages/1/html", sandbox.base)).await;
    browser.wait_for("hello ann").await;
    assert_eq!(browser.run("return document.title").await, "mine");
    browser.click("#b").await;
    browser.wait_for("hello ann").await;
    assert_eq!(
        sandbox.get("/api/messages").await.1["data"].as_array().unwrap().len(),
        1
    );

    browser.go(&sandbox.base).await;
    browser.wait_for("1 held").await;
    browser.click("#clear").await;
    browser.wait_for("0 held").await;
}
