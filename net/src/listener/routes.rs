//! Which service a path belongs to, also while that changes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use matchit::{InsertError, Router};
use percent_encoding::percent_decode_str;

use super::options::Route;

/// Why a route cannot be attached or detached. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Another service has the same paths.
    #[error("route {route:?} has paths of route {by:?}, which is attached")]
    Taken {
        /// The route that was to be attached.
        route: String,
        /// The one that is.
        by: String,
    },
    /// It does not begin with `/`, or its parameters are none.
    #[error("route {route:?} is malformed: {problem}")]
    Malformed {
        /// The route.
        route: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No service is attached there.
    #[error("route {0:?} is not attached")]
    Unknown(String),
}

/// All routes of a listener. Loops hold the table that is in force; one that changes is a new one,
/// whose number tells them.
pub(crate) struct Routes {
    table: Mutex<Arc<Table>>,
    version: AtomicU64,
}

/// What a loop knows of the routes.
pub(crate) struct Known {
    table: Arc<Table>,
    version: u64,
}

#[derive(Clone, Default)]
pub(crate) struct Table {
    router: Router<Arc<Route>>,
    routes: BTreeMap<String, Arc<Route>>,
    /// For all paths that no route has.
    rest: Option<Arc<Route>>,
}

/// Parameters of a path by name, decoded.
pub(crate) type Parameters = Vec<(Box<str>, Box<str>)>;

impl Routes {
    pub(crate) fn new(table: Table) -> Self {
        Self { table: Mutex::new(Arc::new(table)), version: AtomicU64::new(0) }
    }

    pub(crate) fn known(&self) -> Known {
        // In this order: at worst the table is newer than its number, and is taken once more.
        let version = self.version.load(Ordering::Acquire);
        let table = Arc::clone(&self.table.lock().unwrap_or_else(PoisonError::into_inner));
        Known { table, version }
    }

    pub(crate) fn attach(&self, pattern: &str, route: Route) -> Result<(), RouteError> {
        self.change(|table| table.attach(pattern, Arc::new(route)))
    }

    pub(crate) fn detach(&self, pattern: &str) -> Result<(), RouteError> {
        self.change(|table| table.detach(pattern))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Table) -> Result<(), RouteError>,
    ) -> Result<(), RouteError> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Table::clone(&table);
        change(&mut changed)?;
        *table = Arc::new(changed);
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

impl Known {
    /// Where a path leads, by the table that is in force now.
    pub(crate) fn find(&mut self, routes: &Routes, path: &str) -> Option<(Arc<Route>, Parameters)> {
        if routes.version.load(Ordering::Acquire) != self.version {
            *self = routes.known();
        }
        self.table.find(path)
    }
}

impl Table {
    pub(crate) fn set_rest(&mut self, route: Route) {
        self.rest = Some(Arc::new(route));
    }

    pub(crate) fn attach(&mut self, pattern: &str, route: Arc<Route>) -> Result<(), RouteError> {
        let malformed = |problem| RouteError::Malformed { route: pattern.into(), problem };
        let key = key(pattern).ok_or_else(|| malformed("it does not begin with `/`"))?;
        self.router.insert(key.as_str(), Arc::clone(&route)).map_err(|error| match error {
            InsertError::Conflict { with } => {
                RouteError::Taken { route: pattern.into(), by: with.replace("%25", "%") }
            }
            InsertError::InvalidParamSegment => malformed("a segment has one parameter at most"),
            InsertError::InvalidCatchAll => malformed("`{*rest}` stands at the end only"),
            _ => malformed("a parameter is `{name}`, a brace by itself is doubled"),
        })?;
        self.routes.insert(key, route);
        Ok(())
    }

    fn detach(&mut self, pattern: &str) -> Result<(), RouteError> {
        let known = key(pattern).and_then(|key| self.routes.remove(&key));
        known.ok_or_else(|| RouteError::Unknown(pattern.into()))?;
        // What was in the router together goes there together.
        let mut router = Router::new();
        for (key, route) in &self.routes {
            let _ = router.insert(key.as_str(), Arc::clone(route));
        }
        self.router = router;
        Ok(())
    }

    fn find(&self, path: &str) -> Option<(Arc<Route>, Parameters)> {
        let rest = || self.rest.as_ref().map(|route| (Arc::clone(route), Parameters::new()));
        let Some(path) = normal(path) else { return rest() };
        let Ok(found) = self.router.at(&path) else { return rest() };
        let decode = |value| percent_decode_str(value).decode_utf8_lossy().into();
        let parameters = found.params.iter().map(|(name, value)| (name.into(), decode(value)));
        Some((Arc::clone(found.value), parameters.collect()))
    }
}

/// A route as the table holds it: a slash at its end changes nothing, and a percent sign is one.
fn key(pattern: &str) -> Option<String> {
    let rest = pattern.strip_prefix('/')?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    Some(format!("/{}", rest.replace('%', "%25")))
}

/// A path as routes are compared with it: its segments decoded, but for a slash within one, which
/// separates nothing, and the percent sign that says so. `None` for a path that can be nobody's:
/// one that is not UTF-8, or has `.` or `..`, which clients resolve before they ask (RFC 3986
/// §5.2.4) and which mean mischief where a wildcard is taken for a file's name.
fn normal(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut normal = String::with_capacity(path.len());
    for segment in rest.split('/') {
        // Matrix parameters are no part of the name.
        let name = segment.split_once(';').map_or(segment, |(name, _)| name);
        let name = percent_decode_str(name).decode_utf8().ok()?;
        if name.split(['/', '\\']).any(|part| matches!(part, "." | "..")) {
            return None;
        }
        normal.push('/');
        normal.push_str(&name.replace('%', "%25").replace('/', "%2F"));
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_before_they_are_decoded() {
        for (path, expected) in [
            ("/", Some("/")),
            ("/a/b", Some("/a/b")),
            ("/a/b/", Some("/a/b")),
            ("/a//b", Some("/a//b")),
            ("/%61/b", Some("/a/b")),
            ("/a%2Fb", Some("/a%2Fb")),
            ("/a%2fb", Some("/a%2Fb")),
            ("/a%252Fb", Some("/a%252Fb")),
            ("/100%", Some("/100%25")),
            ("/a;x=1;y=2/b;z", Some("/a/b")),
            ("/a%3Bx", Some("/a;x")),
            ("/caf%C3%A9", Some("/café")),
            ("/%FF", None),
            ("/a/../b", None),
            ("/a/%2e%2E/b", None),
            ("/a/..%2Fb", None),
            ("/a/..%5Cb", None),
            ("/a/./b", None),
            ("/a/..b", Some("/a/..b")),
            ("*", None),
        ] {
            assert_eq!(normal(path).as_deref(), expected, "{path}");
        }
    }
}
