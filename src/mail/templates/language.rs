//! What a workspace's template can call: the engine's filters and functions, without those that make much of little.
//!
//! Guarantees: no filter and no function here holds one value many times, or a list within another that was none before, and what each
//! makes of bounded values is bounded before the engine's fuel is charged for it. With what tags may hold ([`super::plain`]), each value
//! is a part of the data, a text or a number, or a list of such.
//!
//! Left out: `batch`, `slice`, `chain`, `zip`, `groupby`, `dict` and `namespace`, which make such values; `debug` and `pprint`, which show
//! how the engine holds things.

use minijinja::value::{Kwargs, Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters, functions};

use super::href;

/// The most numbers of one `range`.
const RANGE_MAX: usize = 1_000;

/// The largest number that `range` takes.
const RANGE_BOUND: isize = 1_000_000_000;

/// The most percent signs of what `format` fills in: a thing may stand in each.
const FORMATS_MAX: usize = 50;

/// The most bytes of what names something in a filter: an attribute, or the characters that `trim` takes away.
const NAME_BYTES_MAX: usize = 100;

/// Takes out of `environment` what templates may not use, and puts in what they have instead.
pub(super) fn restrict(environment: &mut Environment<'_>) {
    for global in ["debug", "dict", "namespace"] {
        environment.remove_global(global);
    }
    for filter in ["batch", "chain", "groupby", "pprint", "slice", "zip"] {
        environment.remove_filter(filter);
    }
    environment.add_function("range", range);
    environment.add_filter("format", format);
    environment.add_filter("href", linked);
    environment.add_filter("map", map);
    environment.add_filter("plus", plus);
    environment.add_filter("sort", sort);
    environment.add_filter("sum", sum);
    environment.add_filter("times", times);
    environment.add_filter("trim", trim);
}

fn refused(words: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, words)
}

/// The named arguments of a call; none are the same as an empty lot.
fn named(args: &[Value]) -> Option<Kwargs> {
    args.last().and_then(|last| Kwargs::try_from(last.clone()).ok())
}

fn range(lower: isize, upper: Option<isize>, step: Option<isize>) -> Result<Value, Error> {
    let given = [Some(lower), upper, step];
    let is_small = |number: &isize| (-RANGE_BOUND..=RANGE_BOUND).contains(number);
    if !given.iter().flatten().all(is_small) {
        return Err(refused("range takes numbers of up to a billion"));
    }
    let range = functions::range(lower, upper, step)?;
    match range.len() {
        Some(len) if len <= RANGE_MAX => Ok(range),
        _ => Err(refused(format!("range has more than {RANGE_MAX} numbers"))),
    }
}

/// The engine's, for one attribute or one filter by its name: a `default`, or what else a filter takes, could be the list itself.
fn map(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    let has_default = named(&args).is_some_and(|named| named.has("default"));
    if args.len() > 2 || has_default {
        return Err(refused("map takes one attribute, or the name of one filter"));
    }
    Value::from_function(filters::map).call(state, &args)
}

/// The engine's, of numbers alone: begun with a list, it would chain lists.
fn sum(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    let has_start = named(&args).is_some_and(|named| named.has("start"));
    if args.len() > 2 || has_start {
        return Err(refused("sum takes an attribute alone"));
    }
    Value::from_function(filters::sum).call(state, &args)
}

/// The engine's, by an attribute of bounded length: it makes a list of as many as are named, for each that is sorted.
fn sort(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    if let Some(named) = named(&args)
        && let Some(attribute) = named.get::<Option<&str>>("attribute")?
        && attribute.len() > NAME_BYTES_MAX
    {
        return Err(refused(format!(
            "sort takes attributes of up to {NAME_BYTES_MAX} bytes"
        )));
    }
    Value::from_function(filters::sort).call(state, &args)
}

/// The engine's, of few characters: each is looked for at each place.
fn trim(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    if args
        .get(1)
        .is_some_and(|chars| chars.to_string().len() > NAME_BYTES_MAX)
    {
        return Err(refused(format!(
            "trim takes up to {NAME_BYTES_MAX} bytes of characters"
        )));
    }
    Value::from_function(filters::trim).call(state, &args)
}

/// The engine's, with few places: it is charged for them when all are filled.
fn format(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    let text = args.first().and_then(Value::as_str).unwrap_or_default();
    if text.bytes().filter(|byte| *byte == b'%').count() > FORMATS_MAX {
        return Err(refused(format!("format takes up to {FORMATS_MAX} places")));
    }
    Value::from_function(filters::format).call(state, &args)
}

/// Two numbers added.
#[expect(clippy::needless_pass_by_value, reason = "what the engine gives to a filter")]
fn plus(one: Value, other: Value) -> Result<Value, Error> {
    numbers("plus", &one, &other, i128::checked_add, |one, other| one + other)
}

/// Two numbers multiplied.
#[expect(clippy::needless_pass_by_value, reason = "what the engine gives to a filter")]
fn times(one: Value, other: Value) -> Result<Value, Error> {
    numbers("times", &one, &other, i128::checked_mul, |one, other| one * other)
}

fn numbers(
    name: &str,
    one: &Value,
    other: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    real: fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    if one.is_undefined() || other.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    if !one.is_number() || !other.is_number() {
        return Err(refused(format!("{name} takes numbers")));
    }
    if !one.is_integer() || !other.is_integer() {
        return Ok(real(f64::try_from(one.clone())?, f64::try_from(other.clone())?).into());
    }
    let made = whole(i128::try_from(one.clone())?, i128::try_from(other.clone())?);
    made.map(Value::from)
        .ok_or_else(|| refused(format!("{name} comes to more than a number can be")))
}

/// A link for an attribute of HTML: `http`, `https`, `mailto` and `tel` alone, so that data cannot make a link do something.
fn linked(link: &str) -> Result<Value, Error> {
    let scheme = link.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_one = ["http", "https", "mailto", "tel"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`');
    if is_one && link.bytes().all(is_plain) {
        Ok(href(link))
    } else {
        Err(refused("href takes an http, https, mailto or tel link without spaces"))
    }
}
