//! The folder of the reports' files, and their names.
//!
//! Guarantees: the folder and its files are their owner's alone; a name says which attempt at which report wrote the file,
//! so that a late attempt never writes over what a newer one made; a name that is not of that form is none of ours and is
//! left alone.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Draft;
use crate::domain::id::ReportId;
use crate::domain::report::ReportFormat;
use crate::private;

/// What the name of an unfinished file ends with.
const PART: &str = "part";

/// The name of a report's file: `{report}.{fence}.{format}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileName {
    /// The report.
    pub report: ReportId,
    /// The fence of the attempt that wrote it.
    pub fence: i64,
    /// How it is written.
    pub format: ReportFormat,
}

/// A file of ours in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The report.
    pub report: ReportId,
    /// The fence of the attempt that wrote or writes it.
    pub fence: i64,
    /// How it is written; none while it is unfinished.
    pub format: Option<ReportFormat>,
}

/// The folder; clones are the same one.
#[derive(Clone, Debug)]
pub struct ReportFolder {
    path: Arc<Path>,
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.report, self.fence, self.format)
    }
}

impl Found {
    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (report, fence, end) = (parts.next()?, parts.next()?, parts.next()?);
        let format = match end {
            PART => None,
            end => Some(end.parse().ok()?),
        };
        let found = Self {
            report: report.parse().ok()?,
            fence: fence.parse().ok()?,
            format,
        };
        // Written exactly as we write it, so that its name can be made again from what is known of it.
        (found.name() == name).then_some(found)
    }

    fn name(&self) -> String {
        match self.format {
            None => format!("{}.{}.{PART}", self.report, self.fence),
            Some(format) => FileName {
                report: self.report,
                fence: self.fence,
                format,
            }
            .to_string(),
        }
    }
}

impl From<FileName> for Found {
    fn from(name: FileName) -> Self {
        Self {
            report: name.report,
            fence: name.fence,
            format: Some(name.format),
        }
    }
}

impl ReportFolder {
    /// Opens the folder at `path`, and makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        private::make_folder(&path)?;
        Ok(Self { path: Arc::from(path) })
    }

    /// Begins a file that is to have this name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(&self, name: FileName) -> io::Result<Draft> {
        let part = Found {
            format: None,
            ..Found::from(name)
        };
        Draft::begin(
            self.path.to_path_buf(),
            self.path.join(part.name()),
            self.path.join(name.to_string()),
        )
    }

    /// A file, to be read.
    ///
    /// # Errors
    /// When it is not there or cannot be opened.
    pub fn read(&self, name: FileName) -> io::Result<File> {
        File::open(self.path.join(name.to_string()))
    }

    /// Removes a file; whoever is reading it reads on. Answers whether it was there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, file: &Found) -> io::Result<bool> {
        match fs::remove_file(self.path.join(file.name())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All files of ours.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            found.extend(entry?.file_name().to_str().and_then(Found::parse));
        }
        Ok(found)
    }
}
