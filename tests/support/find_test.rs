//! Looking for tests in the source.

/// Looks for the test `path/of/file.rs::function`.
pub(crate) fn find_test(test: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<(), &'static str> {
    let (file, function) = test.split_once(".rs::").ok_or("not of the form file.rs::function")?;
    let source = read(&format!("{file}.rs")).ok_or("no such file")?;
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let start = lines.iter().position(|line| names_function(line, function)).ok_or("no such function")?;
    // Its attributes and comments stand directly above it.
    let attributes: Vec<&str> = lines[..start]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .filter(|line| line.starts_with("#["))
        .copied()
        .collect();
    if attributes.iter().any(|line| line.starts_with("#[ignore")) {
        return Err("it is ignored");
    }
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    if attributes.iter().any(is_test) { Ok(()) } else { Err("it is not a test") }
}

fn names_function(line: &str, function: &str) -> bool {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(function));
    rest.is_some_and(|rest| rest.trim_start().starts_with(['(', '<']))
}
