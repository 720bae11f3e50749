//! What a node does of the service's work.

use std::fmt;
use std::str::FromStr;

/// What a node does: answers requests, performs jobs, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// It answers all requests and performs jobs.
    Both,
    /// It answers all requests, and performs no jobs.
    Api,
    /// It performs jobs, and answers only whether it is there.
    Work,
}

/// A text that names no roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be [\"api\", \"work\"] or one of the two")]
pub struct NoRoles;

impl Roles {
    /// The roles of these names, in any order.
    ///
    /// # Errors
    /// When there are none, one stands twice, or one is no role.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, NoRoles> {
        let (mut api, mut work) = (false, false);
        for name in names {
            let role = match name.trim() {
                "api" => &mut api,
                "work" => &mut work,
                _ => return Err(NoRoles),
            };
            if std::mem::replace(role, true) {
                return Err(NoRoles);
            }
        }
        match (api, work) {
            (true, true) => Ok(Self::Both),
            (true, false) => Ok(Self::Api),
            (false, true) => Ok(Self::Work),
            (false, false) => Err(NoRoles),
        }
    }

    /// Whether it answers all requests.
    #[must_use]
    pub const fn has_api(self) -> bool {
        matches!(self, Self::Both | Self::Api)
    }

    /// Whether it performs jobs.
    #[must_use]
    pub const fn has_work(self) -> bool {
        matches!(self, Self::Both | Self::Work)
    }

    /// As it stands in SQL and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "api,work",
            Self::Api => "api",
            Self::Work => "work",
        }
    }

    /// The names of the roles.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.as_str().split(',')
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Roles {
    type Err = NoRoles;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::of(text.split(','))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_back_from_their_text_in_any_order_and_nothing_else_does() {
        for roles in [Roles::Both, Roles::Api, Roles::Work] {
            assert_eq!(roles.as_str().parse(), Ok(roles));
            assert!(roles.has_api() || roles.has_work());
        }
        assert_eq!("work, api".parse(), Ok(Roles::Both));
        for text in ["", "apis", "api,api", "api,", "api work"] {
            assert_eq!(text.parse::<Roles>(), Err(NoRoles), "{text}");
        }
    }
}
