//! How a mail is to say where its reader ends its stream.

use serde_json::Value;

use crate::api::http::Fields;
use crate::domain::list_unsubscribe::{LINKS_MAX, ListUnsubscribe, UnsubscribeLink};
use crate::domain::stream::Stream;

/// The place of the field.
const POINTER: &str = "/list_unsubscribe";

/// What is `given` for a mail to so many `recipients`; none where it is `false`, or wrong, which is noted in `fields`.
pub(super) fn unsubscribing(
    given: &Value,
    recipients: usize,
    stream: &Stream,
    fields: &mut Fields,
) -> Option<ListUnsubscribe> {
    match given {
        Value::Bool(false) => None,
        Value::Bool(true) => one_click(recipients, stream, fields),
        Value::String(link) => {
            let link = fields.check(POINTER, UnsubscribeLink::parse(link))?;
            Some(ListUnsubscribe::Links(vec![link]))
        }
        Value::Array(links) if (1..=LINKS_MAX).contains(&links.len()) => {
            let links = links.iter().enumerate().filter_map(|(index, link)| {
                let link = link.as_str().ok_or("must be a link".to_owned());
                let link = link.and_then(|text| UnsubscribeLink::parse(text).map_err(|error| error.to_string()));
                fields.check(&format!("{POINTER}/{index}"), link)
            });
            Some(ListUnsubscribe::Links(links.collect()))
        }
        _ => {
            fields.refuse(
                POINTER,
                format!("must be true, a link, or an array of 1 to {LINKS_MAX} links"),
            );
            None
        }
    }
}

fn one_click(recipients: usize, stream: &Stream, fields: &mut Fields) -> Option<ListUnsubscribe> {
    if recipients > 1 {
        fields.refuse(
            POINTER,
            "is true, and so the link is personal: send the mail to one recipient at a time, or give links of your own",
        );
        return None;
    }
    if stream.as_str() == Stream::DEFAULT {
        let wanted = format!(
            "is true, and so needs a stream of its own: who ends {} would get none of your other mails either",
            Stream::DEFAULT
        );
        fields.refuse(POINTER, wanted);
        return None;
    }
    Some(ListUnsubscribe::OneClick)
}
