//! The pool with real threads.
