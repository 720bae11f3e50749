//! `legwork templates check`: whether templates in files can be rendered, before a service has them.
//!
//! Guarantees: the same code judges them as in the service; nothing is asked of one, and no settings are needed.
//!
//! Left out: limits of size and number, which are the service's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use legwork::mail::{CONTENT, CompiledTemplate, Place, TemplateFault, TemplateSource};
use serde::Deserialize;
use serde_json::{Value, json};

use super::help;

/// What is asked for.
#[derive(clap::Subcommand)]
pub(crate) enum TemplatesCommand {
    /// Compile the templates in these files, and render them for their samples
    #[command(after_help = help::TEMPLATES_CHECK)]
    Check {
        /// Files with what POST /v1/templates takes; layouts are looked for among them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// A template in a file, as the API takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: String,
    subject: String,
    html: String,
    text: Option<String>,
    sample: Option<Value>,
    #[expect(dead_code, reason = "it may be given, and changes nothing here")]
    locale: Option<String>,
    layout: Option<String>,
}

/// Does what is asked for, and answers what is to be printed.
pub(crate) fn run(command: &TemplatesCommand) -> Result<String, String> {
    let TemplatesCommand::Check { files } = command;
    let read: Vec<(&Path, Result<Template, String>)> = files.iter().map(|file| (file.as_path(), read(file))).collect();
    let named = read.iter().filter_map(|(_, template)| template.as_ref().ok());
    let by_name: HashMap<&str, &Template> = named.map(|template| (template.name.as_str(), template)).collect();
    let mut lines = Vec::new();
    let mut is_wrong = false;
    for (file, template) in &read {
        let checked = template.as_ref().map_err(Clone::clone);
        let checked = checked.and_then(|template| template.check(&by_name));
        is_wrong |= checked.is_err();
        let found = match checked {
            Ok(doubts) if doubts.is_empty() => vec!["ok".to_owned()],
            Ok(doubts) => doubts,
            Err(error) => vec![error],
        };
        lines.extend(found.into_iter().map(|found| format!("{}: {found}", file.display())));
    }
    let told = lines.join("\n");
    if is_wrong { Err(told) } else { Ok(told) }
}

fn read(file: &Path) -> Result<Template, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("is not what POST /v1/templates takes: {error}"))
}

impl Template {
    fn source(&self) -> TemplateSource {
        TemplateSource {
            subject: self.subject.clone(),
            html: self.html.clone(),
            text: self.text.clone(),
        }
    }

    /// What may be mistakes.
    fn check(&self, by_name: &HashMap<&str, &Self>) -> Result<Vec<String>, String> {
        let layout = match &self.layout {
            Some(name) => {
                let found = by_name.get(name.as_str()).filter(|layout| layout.layout.is_none());
                let missing = || format!("/layout: {name} is not among these files, or has a layout itself");
                Some(found.ok_or_else(missing)?.source())
            }
            None => None,
        };
        let compiled = CompiledTemplate::compile(&self.source(), layout.as_ref()).map_err(|fault| told(&fault))?;
        let Some(sample) = &self.sample else {
            return Ok(Vec::new());
        };
        let mut data = sample.clone();
        if compiled.is_layout()
            && let Some(fields) = data.as_object_mut()
        {
            fields.entry(CONTENT).or_insert_with(|| json!(""));
        }
        compiled.render(&data).map_err(|fault| told(&fault))?;
        let doubts = compiled.doubts(sample).into_iter();
        Ok(doubts
            .map(|(pointer, doubt)| format!("warning: /sample{pointer} {doubt}"))
            .collect())
    }
}

/// A fault with its pointer.
fn told(fault: &TemplateFault) -> String {
    let pointer = match &fault.place {
        Place::Part(part) => format!("/{}", part.as_str()),
        Place::Layout(_) => "/layout".to_owned(),
        Place::Data(pointer) => format!("/sample{pointer}"),
    };
    format!("{pointer}: {fault}")
}
