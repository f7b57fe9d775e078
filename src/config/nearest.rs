//! The known name that a wrong one was probably meant to be.

/// The nearest of the known names, if it is near enough to be worth a question.
pub(crate) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long name costs its square, and is no slip of the finger.
    if found.len() > 64 {
        return None;
    }
    let plain = |name: &str| -> Vec<char> {
        name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
    };
    let found = plain(found);
    let near = |name: &&str| {
        let name = plain(name);
        // Half of a name is nearer than any slip.
        if found.len() > 2 && name.starts_with(&found) { 1 } else { distance(&found, &name) }
    };
    let (name, far) = known.into_iter().map(|name| (name, near(&name))).min_by_key(|(_, far)| *far)?;
    (far <= 1.max(found.len() / 3)).then_some(name)
}

/// The edit distance: how many characters to add, take away, change, or swap with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            row[j + 1] = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["workerCount", "deliveryMode", "engine", "engines"];

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        for (found, expected) in [
            ("workerCont", Some("workerCount")),
            ("worker_count", Some("workerCount")),
            ("WORKER-COUNT", Some("workerCount")),
            ("wrokerCount", Some("workerCount")),
            ("engin", Some("engine")),
            ("delivery", Some("deliveryMode")),
            ("de", None),
            ("enginess", Some("engines")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(found, KNOWN), expected, "{found}");
        }
        assert_eq!(nearest(&"a".repeat(100_000), KNOWN), None);
        assert_eq!(nearest("a", []), None);
    }

    #[test]
    fn the_distance_counts_a_swap_once() {
        let far = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!((far("ab", "ba"), far("abc", "abc"), far("", "abc"), far("abc", "")), (1, 0, 3, 3));
        assert_eq!((far("kitten", "sitting"), far("é", "e")), (3, 1));
    }
}
