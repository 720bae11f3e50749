//! Mails built per second on one core, from a template and its data to the bytes that go over the wire: rendered, its style sheet
//! written into the elements, MIME built. There is no yardstick.

use std::time::{Duration, Instant};

use legwork::clock::Clock;
use legwork::domain::email::{EmailAddress, Mailbox};
use legwork::mail::{CompiledTemplate, Extras, Message, TemplateSource};
use serde_json::json;

use crate::round::middle;
use crate::scale::Scale;
use crate::table::Row;

/// A receipt of some lines.
const HTML: &str = "<html><head><style>body{font-family:sans-serif;color:#222}.head{background:#036;color:#fff;padding:12px}\
td{padding:4px 8px;border-bottom:1px solid #ddd}.sum td{font-weight:bold}a.button{background:#036;color:#fff;padding:8px 16px}\
p{line-height:1.5}</style></head><body><div class=\"head\"><h1>Thank you, {{ name }}</h1></div><p>We have your order \
{{ number }}. This is what is on its way to you:</p><table>{% for item in items %}<tr><td>{{ item.name }}</td>\
<td>{{ item.price }}</td></tr>{% endfor %}<tr class=\"sum\"><td>Sum</td><td>{{ sum }}</td></tr></table>\
<p><a class=\"button\" href=\"{{ link }}\">See the order</a></p><p>Write to us if anything is wrong.</p></body></html>";
const TEXT: &str = "Thank you, {{ name }}\n\nWe have your order {{ number }}:\n{% for item in items %}\
- {{ item.name }}: {{ item.price }}\n{% endfor %}Sum: {{ sum }}\n\n{{ link }}\n";

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("one thread; a receipt of three lines with a style sheet of six rules");
    [("its text given", Some(TEXT)), ("its text made from the HTML", None)]
        .map(|(how, text)| {
            let source = TemplateSource {
                subject: "Your order {{ number }}".to_owned(),
                html: HTML.to_owned(),
                text: text.map(str::to_owned),
            };
            let template = CompiledTemplate::compile(&source, None).unwrap();
            let time = Duration::from_secs(scale.seconds.into()) / 4;
            let rates: Vec<f64> = (0..scale.rounds).map(|_| rate(&template, time)).collect();
            let rate = middle(rates);
            Row {
                figure: format!("templates rendered, CSS inlined, MIME built, a second and core, {how}"),
                value: format!("{rate:.0}/s"),
                yardstick: String::new(),
                ratio: None,
                reach: "5k",
                aim: "15k",
            }
        })
        .into()
}

fn rate(template: &CompiledTemplate, time: Duration) -> f64 {
    let mailbox = |text: &str| Mailbox::from(EmailAddress::parse(text).unwrap());
    let (start, mut count, mut bytes) = (Instant::now(), 0_u32, 0_usize);
    while start.elapsed() < time {
        let items: Vec<_> = ["A lamp", "Two chairs", "A table & its legs"]
            .iter()
            .map(|name| json!({"name": name, "price": format!("{}.00", count % 100)}))
            .collect();
        let data = json!({"name": "Ada", "number": count, "items": items, "sum": "120.00",
                          "link": format!("https://example.com/orders/{count}")});
        let content = template.render(&data).unwrap();
        let message = Message {
            id: format!("job_{count}@example.com"),
            date: Clock::System.now(),
            from: mailbox("legwork@example.com"),
            to: vec![mailbox("ada@example.com")],
            subject: content.subject,
            text: content.text,
            html: content.html,
            job: None,
            extras: Extras::default(),
        };
        bytes += message.render().unwrap().bytes.len();
        count += 1;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    println!("{rate:.0} mails of {} bytes a second", bytes / count.max(1) as usize);
    rate
}
