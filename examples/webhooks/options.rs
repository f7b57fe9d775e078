//! The command line, read by hand: the example needs no other crate for it.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Publishes webhook deliveries on an event bus and accounts for every one of them.

Usage: webhooks [OPTIONS] [INPUT]...

INPUT is a file, a folder of .json and .jsonl files, or - for standard input; the deliveries that come
with the example if there is none. A file holds JSON values one after the other (JSON lines) or an array:
  {\"event\": \"issues\", \"payload\": {\"action\": \"opened\", ...}}
  {\"name\": \"issues\", \"examples\": [{...}, ...]}     as in the npm package @octokit/webhooks-examples
  {\"action\": \"opened\", ...}                        in a file that is named by its event: issues.json

Options:
  --repeat N      publish all of it N times (1)
  --publishers N  publish from N threads, 1 to 64 (2)
  --workers N     run handlers on N threads, 1 to 1024 (one per core)
  --json          close with one line of JSON: what each subscription counted
  --help          print this

Exit code: 0 if every event is accounted for, 1 if not or if the input is faulty, 2 for a faulty option.
";

/// The most publishers.
const MAX_PUBLISHERS: u64 = 64;

/// The most workers that a bus takes.
const MAX_WORKERS: u64 = 1024;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Options),
    Help,
}

/// How to run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) inputs: Vec<Source>,
    pub(crate) repeat: u64,
    pub(crate) publishers: usize,
    pub(crate) workers: usize,
    pub(crate) json: bool,
}

/// Where deliveries come from.
#[derive(Debug)]
pub(crate) enum Source {
    Sample,
    Stdin,
    Path(PathBuf),
}

/// What is wrong with the command line.
#[derive(Debug)]
pub(crate) enum UsageError {
    Unknown(String),
    NoValue(&'static str),
    Number { option: &'static str, given: String, least: u64, most: u64 },
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "there is no option {option}"),
            Self::NoValue(option) => write!(f, "{option} needs a number"),
            Self::Number { option, given, least, most } => {
                write!(f, "{option} takes a number from {least} to {most}, not \"{given}\"")
            }
        }
    }
}

impl Error for UsageError {}

/// Reads the arguments (without the program's name). `--option=value` is as good as two arguments, and
/// after `--` everything is an input.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { inputs: Vec::new(), repeat: 1, publishers: 2, workers, json: false };
    let mut arguments = arguments.into_iter();
    let mut only_inputs = false;
    while let Some(argument) = arguments.next() {
        // A path need not be Unicode; an option is.
        let text = argument.to_str().filter(|text| !only_inputs && text.starts_with('-'));
        let Some(text) = text else {
            options.inputs.push(Source::Path(argument.into()));
            continue;
        };
        let (option, value) = match text.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (text, None),
        };
        match (option, &value) {
            ("-", None) => options.inputs.push(Source::Stdin),
            ("--", None) => only_inputs = true,
            ("--json", None) => options.json = true,
            ("--help" | "-h", None) => return Ok(Command::Help),
            ("--repeat", _) => {
                options.repeat = number("--repeat", value, &mut arguments, 1, 1_000_000_000)?;
            }
            ("--publishers", _) => {
                options.publishers = count("--publishers", value, &mut arguments, MAX_PUBLISHERS)?;
            }
            ("--workers", _) => options.workers = count("--workers", value, &mut arguments, MAX_WORKERS)?,
            _ => return Err(UsageError::Unknown(text.to_owned())),
        }
    }
    if options.inputs.is_empty() {
        options.inputs.push(Source::Sample);
    }
    Ok(Command::Run(options))
}

/// A number of threads.
fn count(
    option: &'static str,
    value: Option<String>,
    rest: &mut impl Iterator<Item = OsString>,
    most: u64,
) -> Result<usize, UsageError> {
    let number = number(option, value, rest, 1, most)?;
    Ok(usize::try_from(number).expect("at most 1024"))
}

/// The option's value: what stands behind `=`, or else the next argument.
fn number(
    option: &'static str,
    value: Option<String>,
    rest: &mut impl Iterator<Item = OsString>,
    least: u64,
    most: u64,
) -> Result<u64, UsageError> {
    let given = match value {
        Some(value) => value,
        None => rest.next().ok_or(UsageError::NoValue(option))?.to_string_lossy().into_owned(),
    };
    match given.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(UsageError::Number { option, given, least, most }),
    }
}
