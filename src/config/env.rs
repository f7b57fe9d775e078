//! The environment, as values for paths. Takes the variables as they are handed over: tests have their own.

use std::ffi::{OsStr, OsString};

use super::keys::{KEYS, KeySpec, PREFIX};
use super::merge::{Assignment, Step};
use super::nearest::nearest;
use super::problem::{ConfigProblem, ConfigProblemKind};
use super::value::{Node, Place, Value};

/// Reads the variables that begin with `EVENTBUS_`; with `bare` also the original's fallbacks, `X_EVENTBUS` and then
/// `X`, for its own keys outside of lists.
pub(crate) fn read(
    variables: &[(OsString, OsString)],
    bare: bool,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<Assignment> {
    let mut found = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str() else { continue };
        let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| !is_of_kubernetes(rest)) else { continue };
        let at = place(name);
        match path(rest) {
            Some(path) => found.extend(assignment(path, value, at, problems)),
            None => {
                let known = KEYS.iter().map(|key| format!("{PREFIX}{}", key.env)).collect::<Vec<_>>();
                let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
                problems.push(ConfigProblem::new(&at, "", ConfigProblemKind::UnknownKey { nearest, known }));
            }
        }
    }
    if bare {
        for key in KEYS.iter().filter(|key| key.original.is_some() && !key.env.contains('<')) {
            let path = vec![Step::Key(key.path.to_owned())];
            if found.iter().all(|known: &Assignment| known.path != path) {
                let names = [format!("{}_EVENTBUS", key.env), key.env.to_owned()];
                let value = |name: &String| variables.iter().find(|(known, _)| known == OsStr::new(name));
                if let Some((name, (_, value))) = names.iter().find_map(|name| Some((name, value(name)?))) {
                    found.extend(assignment(path, value, place(name), problems));
                }
            }
        }
    }
    found
}

/// The place of a variable.
fn place(name: &str) -> Place {
    Place::whole(format!("environment variable {name}"))
}

/// Kubernetes sets these for every pod beside a service with the name `eventbus`.
fn is_of_kubernetes(rest: &str) -> bool {
    rest.starts_with("SERVICE_HOST")
        || rest.starts_with("SERVICE_PORT")
        || rest == "PORT"
        || rest.starts_with("PORT_")
}

fn assignment(
    path: Vec<Step>,
    value: &OsStr,
    at: Place,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Assignment> {
    match value.to_str() {
        Some(text) => Some(Assignment { path, node: Node { value: Value::Untyped(text.to_owned()), at } }),
        None => {
            problems.push(ConfigProblem::new(&at, Assignment::path(&path), ConfigProblemKind::NotUtf8));
            None
        }
    }
}

/// The path that a name means.
fn path(rest: &str) -> Option<Vec<Step>> {
    KEYS.iter().find_map(|key| against(key, rest))
}

/// The path, if the name is that of this key.
fn against(key: &KeySpec, rest: &str) -> Option<Vec<Step>> {
    let (mut pattern, mut rest, mut indices, mut below) = (key.env, rest, Vec::new(), Vec::new());
    while let Some(at) = pattern.find('<') {
        rest = rest.strip_prefix(&pattern[..at])?;
        let (mark, after) = pattern[at..].split_once('>')?;
        if mark == "<KEY" {
            below = settings(rest)?;
            rest = "";
        } else {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let digits = &rest[..end];
            // 00 would be another name for 0.
            if digits.len() > 1 && digits.starts_with('0') {
                return None;
            }
            indices.push(digits.parse().ok()?);
            rest = &rest[end..];
        }
        pattern = after;
    }
    if rest != pattern {
        return None;
    }
    let mut path = Vec::new();
    let mut indices = indices.into_iter();
    for part in key.path.split('.') {
        path.push(Step::Key(part.trim_end_matches("[]").to_owned()));
        if part.ends_with("[]") {
            path.push(Step::Index(indices.next()?));
        }
    }
    path.extend(indices.map(Step::Index));
    path.extend(below);
    Some(path)
}

/// The path of a setting: `POOL_SIZE` is `poolSize`, two underscores lead into a map, and a number is an index.
fn settings(rest: &str) -> Option<Vec<Step>> {
    let mut path = Vec::new();
    for part in rest.split("__") {
        let mut name = String::new();
        for word in part.split('_') {
            if word.is_empty() || !word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
                return None;
            }
            if word.chars().all(|c| c.is_ascii_digit()) {
                if !name.is_empty() {
                    path.push(Step::Key(std::mem::take(&mut name)));
                }
                path.push(Step::Index(word.parse().ok()?));
            } else if name.is_empty() {
                name = word.to_ascii_lowercase();
            } else {
                name.push_str(&word[..1]);
                name.push_str(&word[1..].to_ascii_lowercase());
            }
        }
        if !name.is_empty() {
            path.push(Step::Key(name));
        }
    }
    // The settings themselves are a map.
    matches!(path.first(), Some(Step::Key(_))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(names: &[(&str, &str)], bare: bool) -> (Vec<String>, Vec<String>) {
        let variables: Vec<_> = names.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut problems = vec![];
        let found = read(&variables, bare, &mut problems);
        let line = |Assignment { path, node }: Assignment| {
            let Value::Untyped(text) = node.value else { panic!("a text") };
            format!("{}={text} ({})", Assignment::path(&path), node.at)
        };
        (found.into_iter().map(line).collect(), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_key_has_a_name() {
        for (name, expected) in [
            ("EVENTBUS_WORKER_COUNT", "workerCount"),
            ("EVENTBUS_EVENT_TTL", "eventTTL"),
            ("EVENTBUS_EXTERNAL_BROKER_URL", "externalBrokerURL"),
            ("EVENTBUS_ENGINES_0_NAME", "engines[0].name"),
            ("EVENTBUS_ENGINES_12_TYPE", "engines[12].type"),
            ("EVENTBUS_ENGINES_1_CONFIG_POOL_SIZE", "engines[1].config.poolSize"),
            ("EVENTBUS_ENGINES_1_CONFIG_TLS__CA_FILE", "engines[1].config.tls.caFile"),
            ("EVENTBUS_ENGINES_1_CONFIG_S3_BROKERS_0", "engines[1].config.s3Brokers[0]"),
            ("EVENTBUS_ENGINES_1_CONFIG_FILTERS_0_TYPE", "engines[1].config.filters[0].type"),
            ("EVENTBUS_ROUTING_0_ENGINE", "routing[0].engine"),
            ("EVENTBUS_ROUTING_0_TOPICS_1", "routing[0].topics[1]"),
            ("EVENTBUS_ROUTING_0_TENANTS_0", "routing[0].tenants[0]"),
        ] {
            let (found, problems) = given(&[(name, "x")], false);
            assert_eq!(found, [format!("{expected}=x (environment variable {name})")]);
            assert_eq!(problems, [""; 0]);
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_nearest_one() {
        let (found, problems) =
            given(&[("EVENTBUS_WORKER_CONT", "5"), ("EVENTBUS_ENGINES_00_NAME", "a")], false);
        assert_eq!(found, [""; 0]);
        assert_eq!(
            problems[0],
            "environment variable EVENTBUS_WORKER_CONT: unknown key; did you mean \"EVENTBUS_WORKER_COUNT\"?"
        );
        assert!(problems[1].contains("did you mean \"EVENTBUS_ENGINES_<n>_NAME\"?"), "{problems:?}");
        for name in [
            "EVENTBUS_",
            "EVENTBUS_ENGINES",
            "EVENTBUS_ENGINES_0",
            "EVENTBUS_ROUTING_0_TOPICS",
            "EVENTBUS_ENGINES_1_CONFIG_",
            "EVENTBUS_ENGINES_1_CONFIG_A___B",
            "EVENTBUS_ENGINES_1_CONFIG_0",
            "EVENTBUS_ENGINES_99999999999999999999_NAME",
            "EVENTBUS_worker_count",
        ] {
            let (found, problems) = given(&[(name, "5")], false);
            assert_eq!((found.len(), problems.len()), (0, 1), "{name}");
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let foreign = [
            ("PATH", "/bin"),
            ("ENGINE", "kafka"),
            ("EVENTBUS", "x"),
            ("EVENTBUS_SERVICE_HOST", "10.0.0.1"),
            ("EVENTBUS_SERVICE_PORT_HTTP", "80"),
            ("EVENTBUS_PORT", "tcp://10.0.0.1:80"),
            ("EVENTBUS_PORT_80_TCP_ADDR", "10.0.0.1"),
        ];
        assert_eq!(given(&foreign, false), (vec![], vec![]));
    }

    #[test]
    fn bare_names_are_the_originals_fallbacks_in_its_order() {
        let (found, _) = given(&[("WORKER_COUNT", "1")], false);
        assert_eq!(found, [""; 0]);
        for (names, expected) in [
            (&[("WORKER_COUNT", "1")][..], "workerCount=1 (environment variable WORKER_COUNT)"),
            (
                &[("WORKER_COUNT", "1"), ("WORKER_COUNT_EVENTBUS", "2")],
                "workerCount=2 (environment variable WORKER_COUNT_EVENTBUS)",
            ),
            (
                &[("WORKER_COUNT", "1"), ("EVENTBUS_WORKER_COUNT", "3"), ("WORKER_COUNT_EVENTBUS", "2")],
                "workerCount=3 (environment variable EVENTBUS_WORKER_COUNT)",
            ),
        ] {
            assert_eq!(given(names, true), (vec![expected.to_owned()], vec![]));
        }
        // Keys of our own never had bare names.
        assert_eq!(given(&[("SPIN", "1s"), ("THREAD_NAME", "x")], true), (vec![], vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn values_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStringExt;

        let odd = OsString::from_vec(vec![b'a', 0xff]);
        let variables = [("EVENTBUS_ENGINE".into(), odd.clone()), (odd.clone(), "x".into())];
        let mut problems = vec![];
        assert!(read(&variables, false, &mut problems).is_empty());
        assert_eq!(problems[0].to_string(), "environment variable EVENTBUS_ENGINE: engine: not UTF-8");
    }
}
