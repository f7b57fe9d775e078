//! Reads deliveries: JSON lines, arrays, and the collection of the npm package
//! `@octokit/webhooks-examples`, from files, folders and standard input.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use crate::delivery::Delivery;
use crate::options::Source;

/// The deliveries that come with the example.
const SAMPLE: &str = include_str!("sample.jsonl");

/// The largest input that is read, in bytes: all of it is held in memory.
const MAX_INPUT: u64 = 1 << 30;

/// Where something is wrong, and what.
#[derive(Debug)]
pub(crate) struct InputError {
    /// The file, as it was named.
    source: String,
    /// The line, and the element if the line holds the start of an array.
    place: Option<(usize, Option<usize>)>,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Io(io::Error),
    TooLarge,
    Json(serde_json::Error),
    Nothing,
    NoDelivery(&'static str),
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        if let Some((line, element)) = self.place {
            write!(f, ", line {line}")?;
            if let Some(element) = element {
                write!(f, ", element {element}")?;
            }
        }
        match &self.problem {
            Problem::Io(error) => write!(f, ": {error}"),
            Problem::TooLarge => write!(f, ": more than {} MiB", MAX_INPUT >> 20),
            // It closes with the line and the column.
            Problem::Json(error) => write!(f, ": not valid JSON: {error}"),
            Problem::Nothing => write!(f, ": there is no delivery in it"),
            Problem::NoDelivery(why) => write!(f, ": this is no delivery: {why}"),
        }
    }
}

impl std::error::Error for InputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            Problem::Json(error) => Some(error),
            Problem::TooLarge | Problem::Nothing | Problem::NoDelivery(_) => None,
        }
    }
}

/// Reads all sources, in their order. Each must hold at least one delivery.
pub(crate) fn read(sources: &[Source]) -> Result<Vec<Delivery>, InputError> {
    let mut deliveries = Vec::new();
    for source in sources {
        match source {
            Source::Sample => parse("the sample", None, SAMPLE.as_bytes(), &mut deliveries)?,
            Source::Stdin => {
                let name = "standard input";
                parse(name, None, &load(name, io::stdin().lock())?, &mut deliveries)?;
            }
            Source::Path(path) if path.is_dir() => read_folder(path, &mut deliveries)?,
            Source::Path(path) => read_file(path, &mut deliveries)?,
        }
    }
    Ok(deliveries)
}

/// Reads the `.json` and `.jsonl` files of a folder, sorted by name; folders in it are left alone.
fn read_folder(folder: &Path, deliveries: &mut Vec<Delivery>) -> Result<(), InputError> {
    let name = folder.display().to_string();
    let failed = |error| InputError { source: name.clone(), place: None, problem: Problem::Io(error) };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let wanted = path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl");
        if wanted && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(InputError { source: name, place: None, problem: Problem::Nothing });
    }
    files.sort();
    files.iter().try_for_each(|file| read_file(file, deliveries))
}

fn read_file(path: &Path, deliveries: &mut Vec<Delivery>) -> Result<(), InputError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| InputError {
        source: name.clone(),
        place: None,
        problem: Problem::Io(error),
    })?;
    // `issues.opened.payload.json` holds deliveries of `issues`.
    let event = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split('.').next());
    parse(&name, event, &load(&name, file)?, deliveries)
}

/// Reads to the end, within the limit.
fn load(name: &str, input: impl Read) -> Result<Vec<u8>, InputError> {
    let failed = |problem| InputError { source: name.to_owned(), place: None, problem };
    let mut bytes = Vec::new();
    input.take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(|error| failed(Problem::Io(error)))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(failed(Problem::TooLarge));
    }
    Ok(bytes)
}

/// Takes JSON values one after the other, however they are laid out in lines.
fn parse(
    name: &str,
    event: Option<&str>,
    bytes: &[u8],
    deliveries: &mut Vec<Delivery>,
) -> Result<(), InputError> {
    let before = deliveries.len();
    // Some editors begin a file with a byte order mark.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let (mut line, mut counted) = (1, 0);
    loop {
        // Where the next value starts: behind white space.
        let start = values.byte_offset();
        let blank = bytes[start..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        line += bytes[counted..start + blank].iter().filter(|&&byte| byte == b'\n').count();
        counted = start + blank;
        let failed =
            |element, problem| InputError { source: name.to_owned(), place: Some((line, element)), problem };
        match values.next() {
            None => break,
            Some(Err(error)) => {
                // A value may span lines: the error knows where it broke.
                let place = Some((error.line(), None));
                return Err(InputError { source: name.to_owned(), place, problem: Problem::Json(error) });
            }
            Some(Ok(Value::Array(elements))) => {
                for (index, element) in elements.into_iter().enumerate() {
                    take(element, event, deliveries)
                        .map_err(|why| failed(Some(index + 1), Problem::NoDelivery(why)))?;
                }
            }
            Some(Ok(value)) => {
                take(value, event, deliveries).map_err(|why| failed(None, Problem::NoDelivery(why)))?;
            }
        }
    }
    if deliveries.len() == before {
        return Err(InputError {
            source: name.to_owned(),
            place: Some((line, None)),
            problem: Problem::Nothing,
        });
    }
    Ok(())
}

/// What every payload has at least one of: other objects are no payload.
const MARKS: [&str; 4] = ["sender", "repository", "organization", "installation"];

/// Takes the deliveries of one value. `event` is what the file's name says they are.
fn take(value: Value, event: Option<&str>, deliveries: &mut Vec<Delivery>) -> Result<(), &'static str> {
    let Value::Object(mut fields) = value else {
        return Err("not an object");
    };
    let named = ["event", "name"].iter().find_map(|key| fields.get(*key)?.as_str().map(str::to_owned));
    let payloads = match (fields.remove("payload"), fields.remove("examples")) {
        (Some(payload), _) => vec![payload],
        (None, Some(Value::Array(examples))) => examples,
        (None, Some(_)) => return Err("its \"examples\" are not an array"),
        (None, None) => {
            let bare = event.filter(|_| MARKS.iter().any(|mark| fields.contains_key(*mark)));
            let event = bare.ok_or("it has neither a \"payload\" nor \"examples\"")?;
            deliveries.push(Delivery::new(event.to_owned(), &Value::Object(fields)));
            return Ok(());
        }
    };
    let name = named.ok_or("it does not name its event")?;
    for payload in payloads {
        if !payload.is_object() {
            return Err("its payload is not an object");
        }
        deliveries.push(Delivery::new(name.clone(), &payload));
    }
    Ok(())
}
