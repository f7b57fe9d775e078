//! Files, the environment and code, merged into one configuration.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Config;
use super::env;
use super::format::{Format, MAX_BYTES};
use super::merge::{Assignment, Step, assign, overlay};
use super::problem::{ConfigError, ConfigProblem, ConfigProblemKind};
use super::read;
use super::value::{Node, Place, Value};

/// Merges a configuration. Begun by [`Config::loader`], ended by [`load`](Self::load).
///
/// Later ones win: the defaults, the files and texts in the order in which they are given, the environment, what code
/// [sets](Self::set).
///
/// ```
/// use trolleybus::{Config, Format};
///
/// let config = Config::loader()
///     .text("defaults of ours", "workerCount: 2\nspin: 0s\n", Format::Yaml)
///     .env_from([("EVENTBUS_WORKER_COUNT", "3")])
///     .set("threadName", "bus")
///     .load()?;
/// assert_eq!((config.worker_count(), config.thread_name()), (3, "bus"));
/// # Ok::<(), trolleybus::ConfigError>(())
/// ```
#[must_use = "a configuration is made by `load`"]
pub struct ConfigLoader {
    sources: Vec<Source>,
    variables: Vec<(OsString, OsString)>,
    /// Whether the environment of the process is read.
    process: bool,
    bare: bool,
    types: Option<Vec<String>>,
    set: Vec<Assignment>,
    problems: Vec<ConfigProblem>,
}

enum Source {
    File(PathBuf),
    Text(Arc<str>, String, Format),
}

impl ConfigLoader {
    pub(super) fn new() -> Self {
        Self {
            sources: Vec::new(),
            variables: Vec::new(),
            process: false,
            bare: false,
            types: None,
            set: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds a file, over those before it. Its name says its format: `.yaml`, `.yml`, `.json` or `.toml`.
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.sources.push(Source::File(path.as_ref().to_owned()));
        self
    }

    /// Adds a text, over those before it. Errors call it by the name.
    pub fn text(mut self, name: &str, text: impl Into<String>, format: Format) -> Self {
        self.sources.push(Source::Text(name.into(), text.into(), format));
        self
    }

    /// Adds the environment of the process: the variables that begin with `EVENTBUS_`. One that is not known is an
    /// error; those that Kubernetes sets for a service called `eventbus` are left alone.
    pub fn env(mut self) -> Self {
        self.process = true;
        self
    }

    /// Adds variables as if they were of the environment.
    pub fn env_from<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Lets the original's keys come from its fallbacks as well: `WORKER_COUNT_EVENTBUS`, and then `WORKER_COUNT`. Off
    /// if not set: names such as `ENGINE` belong to anybody.
    pub fn bare_env_names(mut self, allowed: bool) -> Self {
        self.bare = allowed;
        self
    }

    /// Says which types of engines there are: `memory` and `custom` if not set.
    pub fn engine_types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// Sets one value, over files and the environment, as a text such as a command line has it. The path is that of
    /// errors: `workerCount`, `engines[0].config.url`.
    #[track_caller]
    pub fn set(mut self, path: &str, value: impl Into<String>) -> Self {
        let at = Place::caller();
        match steps(path) {
            Some(path) => {
                // Of two for the same path the later one wins.
                self.set.retain(|known| known.path != path);
                self.set.push(Assignment { path, node: Node { value: Value::Untyped(value.into()), at } });
            }
            None => {
                let message = "no path of a key, such as engines[0].name".to_owned();
                self.problems.push(ConfigProblem::new(&at, "", ConfigProblemKind::Syntax { message }));
            }
        }
        self
    }

    /// Reads and merges everything.
    ///
    /// # Errors
    ///
    /// All that is wrong: of files that are not in their format, that; otherwise what is wrong with what they say.
    ///
    /// # Blocking
    ///
    /// Reads the files.
    pub fn load(mut self) -> Result<Config, ConfigError> {
        let mut problems = std::mem::take(&mut self.problems);
        let mut tree = Node::map(Place::whole("defaults"));
        let mut broken = !problems.is_empty();
        for source in self.sources {
            match source.read() {
                Ok(node) => overlay(&mut tree, node),
                Err(found) => {
                    broken = true;
                    problems.extend(found);
                }
            }
        }
        if self.process {
            // What `env_from` gives is asked first.
            self.variables.extend(std::env::vars_os());
        }
        let assignments = env::read(&self.variables, self.bare, &mut problems);
        if broken {
            // What is missing may stand in what could not be read.
            return Err(ConfigError::of(problems));
        }
        assign(&mut tree, assignments, &mut problems);
        assign(&mut tree, self.set, &mut problems);
        let mut config = Config::default();
        if let Some(types) = self.types {
            config.types = types;
        }
        let config = read::read(&tree, config, &mut problems);
        ConfigError::check(problems)?;
        Ok(config)
    }
}

impl Source {
    fn read(self) -> Result<Node, Vec<ConfigProblem>> {
        match self {
            Self::Text(name, text, format) => format.parse(&text, &name),
            Self::File(path) => {
                let name: Arc<str> = path.display().to_string().into();
                let problem = |kind| vec![ConfigProblem::new(&Place::whole(Arc::clone(&name)), "", kind)];
                let format = Format::of(&path).ok_or_else(|| problem(ConfigProblemKind::UnknownFormat))?;
                format.parse(&read_file(&path).map_err(problem)?, &name)
            }
        }
    }
}

/// Reads a file that is not too large; one that says so is not even begun.
fn read_file(path: &Path) -> Result<String, ConfigProblemKind> {
    let unreadable = |error: std::io::Error| ConfigProblemKind::Unreadable { message: error.to_string() };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.len() > MAX_BYTES {
        return Err(ConfigProblemKind::TooLarge { limit: MAX_BYTES });
    }
    // What is no plain file says nothing about its size.
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfigProblemKind::TooLarge { limit: MAX_BYTES });
    }
    String::from_utf8(bytes).map_err(|_| ConfigProblemKind::NotUtf8)
}

/// The steps of a path such as `engines[0].name`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() {
            return None;
        }
        steps.push(Step::Key(name.to_owned()));
        for index in indices.split_inclusive(']') {
            steps.push(Step::Index(index.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?));
        }
    }
    Some(steps)
}

/// Neither texts nor variables: they may hold secrets.
impl fmt::Debug for ConfigLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources.iter().map(|source| match source {
            Source::File(path) => path.display().to_string(),
            Source::Text(name, ..) => name.to_string(),
        });
        f.debug_struct("ConfigLoader")
            .field("sources", &sources.collect::<Vec<_>>())
            .field("env", &self.process)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_errors() {
        for path in ["workerCount", "engines[0].name", "routing[1].topics[12]", "engines[0].config.a.b"] {
            assert_eq!(steps(path).map(|steps| Assignment::path(&steps)).as_deref(), Some(path));
        }
        for path in ["", "a.", ".a", "a[", "a[]", "a[x]", "a[1", "a]", "[0]", "a[0]b", "a..b", "a[-1]"] {
            assert!(
                steps(path).is_none_or(|steps| Assignment::path(&steps) != path || path == "a]"),
                "{path}"
            );
        }
    }

    #[test]
    fn later_ones_win_in_the_stated_order() {
        let load = |layers: usize| {
            let mut loader = Config::loader();
            if layers > 0 {
                loader = loader.text("first", "workerCount: 1\nspin: 1ms\n", Format::Yaml);
            }
            if layers > 1 {
                loader = loader.text("second", "workerCount = 2", Format::Toml);
            }
            if layers > 2 {
                loader = loader.env_from([("EVENTBUS_WORKER_COUNT", "3")]);
            }
            if layers > 3 {
                loader = loader.set("workerCount", "9").set("workerCount", "4");
            }
            let config = loader.load().unwrap_or_else(|error| panic!("{error}"));
            if layers > 4 { config.with_worker_count(5) } else { config }
        };
        assert_eq!(load(0).worker_count(), Config::new().worker_count());
        for layers in 1..=5 {
            assert_eq!(load(layers).worker_count(), layers);
            assert_eq!(load(layers).spin(), std::time::Duration::from_millis(1));
        }
    }

    #[test]
    fn files_are_bounded_before_they_are_read() {
        let folder = std::env::temp_dir().join(format!("trolleybus-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let error = |name: &str| {
            Config::from_file(folder.join(name)).expect_err("refused").problems()[0].kind().clone()
        };
        // 100 MB that take no room on the disk.
        let large = File::create(folder.join("large.yaml")).expect("a file");
        large.set_len(100_000_000).expect("its length");
        assert_eq!(error("large.yaml"), ConfigProblemKind::TooLarge { limit: 1 << 20 });
        std::fs::write(folder.join("bytes.json"), [b'"', 0xff, b'"']).expect("a file");
        assert_eq!(error("bytes.json"), ConfigProblemKind::NotUtf8);
        assert_eq!(error("bus.ini"), ConfigProblemKind::UnknownFormat);
        assert!(matches!(error("absent.toml"), ConfigProblemKind::Unreadable { .. }));
        std::fs::create_dir_all(folder.join("folder.yaml")).expect("a folder");
        assert!(matches!(error("folder.yaml"), ConfigProblemKind::Unreadable { .. }));
        std::fs::remove_dir_all(&folder).expect("the folder goes");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_an_end_is_bounded() {
        let folder = std::env::temp_dir().join(format!("trolleybus-endless-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("zero.yaml");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        let error = Config::from_file(&path).expect_err("refused");
        assert_eq!(*error.problems()[0].kind(), ConfigProblemKind::TooLarge { limit: 1 << 20 });
        std::fs::remove_dir_all(&folder).expect("the folder goes");
    }

    #[test]
    fn debug_shows_no_text_and_no_variable() {
        let loader = Config::loader().text("t", "a: hunter2", Format::Yaml).env_from([("A", "hunter2")]);
        assert!(!format!("{loader:?}").contains("hunter2"));
    }
}
