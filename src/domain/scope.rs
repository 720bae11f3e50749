//! What an API key may do.
//!
//! Guarantees: a scope stands for itself alone: to write is not to read, and nothing but [`Scope::Everything`] covers another;
//! a name that is unknown here, which a newer version may have stored, covers nothing.
//!
//! Left out: what each route takes, which stands beside the routes; and what an account may do, which no scope adds to.

use std::fmt;

use super::named::named;

named! {
    /// A part of what an account may do. Names are added to, never renamed.
    Scope {
        /// All that its account may do with a key.
        Everything = "*",
        /// See the account.
        AccountRead = "account:read",
        /// See batches.
        BatchesRead = "batches:read",
        /// Make batches, add to them, seal and cancel them.
        BatchesWrite = "batches:write",
        /// Send mails.
        EmailsWrite = "emails:write",
        /// See jobs and follow them.
        JobsRead = "jobs:read",
        /// Cancel jobs and have them run again.
        JobsWrite = "jobs:write",
        /// See limits of keys.
        LimitsRead = "limits:read",
        /// Set limits of keys.
        LimitsWrite = "limits:write",
        /// See the service, and what is other workspaces'; of use to operators only.
        OperatorsRead = "operators:read",
        /// Steer the service, and what is other workspaces'; of use to operators only.
        OperatorsWrite = "operators:write",
        /// Order probes.
        ProbesWrite = "probes:write",
        /// See reports and fetch their files.
        ReportsRead = "reports:read",
        /// Order reports and delete them.
        ReportsWrite = "reports:write",
        /// See schedules.
        SchedulesRead = "schedules:read",
        /// Make, change, pause, run and delete schedules.
        SchedulesWrite = "schedules:write",
        /// See to whom no mails go.
        SuppressionsRead = "suppressions:read",
        /// Say to whom no mails go.
        SuppressionsWrite = "suppressions:write",
        /// See templates, and what they make of data.
        TemplatesRead = "templates:read",
        /// Make, change and delete templates.
        TemplatesWrite = "templates:write",
        /// See what was uploaded.
        UploadsRead = "uploads:read",
        /// Upload files, and delete them.
        UploadsWrite = "uploads:write",
    }
}

impl Scope {
    /// What a key needs besides to do the same with what is other workspaces', if its account is an operator's.
    #[must_use]
    pub fn beyond_the_workspace(self) -> Self {
        if self.as_str().ends_with(":read") {
            Self::OperatorsRead
        } else {
            Self::OperatorsWrite
        }
    }
}

/// The scopes of a key: each once, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// All that there is.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![Scope::Everything])
    }

    /// Whether a key with these may do what takes `scope`.
    #[must_use]
    pub fn covers(&self, scope: Scope) -> bool {
        self.0.contains(&Scope::Everything) || self.0.contains(&scope)
    }

    /// The scopes.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }

    /// Those that are stored as `text`, without names that are unknown here.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        text.split(' ').filter_map(|name| name.parse().ok()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut all: Vec<Scope> = scopes.into_iter().collect();
        all.sort_unstable_by_key(|scope| scope.as_str());
        all.dedup();
        Self(all)
    }
}

/// As it is stored: the names with a space between them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let between = if index == 0 { "" } else { " " };
            write!(f, "{between}{scope}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn scopes() -> impl Strategy<Value = Vec<Scope>> {
        prop::collection::vec(select(Scope::ALL), 0..8)
    }

    #[test]
    fn what_reaches_beyond_the_workspace_is_the_operators_scope_of_the_same_sort() {
        assert_eq!(Scope::JobsRead.beyond_the_workspace(), Scope::OperatorsRead);
        assert_eq!(Scope::JobsWrite.beyond_the_workspace(), Scope::OperatorsWrite);
        assert_eq!(Scope::Everything.beyond_the_workspace(), Scope::OperatorsWrite);
    }

    proptest! {
        #[test]
        fn scopes_cover_what_they_name_and_all_if_they_name_everything(named in scopes(), asked in select(Scope::ALL)) {
            let covers = named.iter().copied().collect::<Scopes>().covers(asked);
            prop_assert_eq!(covers, named.contains(&asked) || named.contains(&Scope::Everything));
        }

        #[test]
        fn what_is_stored_reads_back_whatever_the_order_and_however_often_it_was_named(named in scopes(), turns in 0..8_usize) {
            let scopes: Scopes = named.iter().copied().collect();
            prop_assert_eq!(&Scopes::stored(&scopes.to_string()), &scopes);
            let mut turned = named.clone();
            turned.extend(named.iter().take(turns));
            turned.reverse();
            prop_assert_eq!(turned.into_iter().collect::<Scopes>(), scopes);
        }

        #[test]
        fn no_text_is_more_than_the_scopes_that_it_names(text in "[a-z*: ]{0,60}|.{0,40}|jobs:read [^ ]{0,9}") {
            let scopes = Scopes::stored(&text);
            for scope in Scope::ALL {
                let is_named = text.split(' ').any(|name| name == scope.as_str());
                prop_assert_eq!(scopes.iter().any(|one| one == *scope), is_named);
            }
        }
    }
}
