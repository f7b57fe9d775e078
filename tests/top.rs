//! The live view of the example `top`, piece by piece, and its load.

#[path = "../examples/top/columns.rs"]
mod columns;
#[path = "../examples/top/control.rs"]
mod control;
#[path = "support/eventually.rs"]
mod eventually;
#[path = "../examples/top/help.rs"]
mod help;
#[path = "top/keys.rs"]
mod keys;
#[path = "../examples/top/load.rs"]
mod load;
#[path = "../examples/top/model.rs"]
mod model;
#[path = "../examples/top/numbers.rs"]
mod numbers;
#[path = "../examples/top/once.rs"]
mod once;
#[path = "../examples/top/publishers.rs"]
mod publishers;
#[path = "top/rates.rs"]
mod rates;
#[path = "top/running.rs"]
mod running;
#[path = "top/sample.rs"]
mod sample;
#[path = "top/screens.rs"]
mod screens;
#[path = "../examples/top/sort.rs"]
mod sort;
mod support;
#[path = "../examples/top/tables.rs"]
mod tables;
#[path = "../examples/top/unsteady.rs"]
mod unsteady;
#[path = "../examples/top/view.rs"]
mod view;
#[path = "top/words.rs"]
mod words;
