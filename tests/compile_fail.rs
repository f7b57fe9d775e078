//! What must not compile: sharing mistakes are the compiler's to find (X1).
//!
//! Each case in `tests/compile_fail/` has a twin of the same name in `tests/compile_pass/`, which differs in the
//! mistake alone and compiles: so a case fails for its own reason. The compiler's text stands beside each
//! case; after an update of the compiler or of serde, `TRYBUILD=overwrite cargo test --all-features --test compile_fail`
//! writes it anew, and the difference is to be read. The text depends on the features: it is that of all of them.
#![cfg(all(feature = "cloudevents", not(loom)))]

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn x1_d_all_9_sharing_mistakes_do_not_compile_and_their_twins_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
    cases.pass("tests/compile_pass/*.rs");
}

#[test]
fn x1_every_mistake_has_a_twin() {
    let names = |folder: &str| -> BTreeSet<_> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
        let files = std::fs::read_dir(path).expect("the folder is readable");
        let paths = files.map(|file| file.expect("an entry").path());
        let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
        sources.map(|path| path.file_name().expect("a name").to_owned()).collect()
    };
    let mistakes = names("compile_fail");
    assert!(!mistakes.is_empty());
    assert_eq!(mistakes, names("compile_pass"));
}
