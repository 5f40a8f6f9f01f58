//! Talking to the person at the terminal.

/// Prints a line. Where nobody reads any more, as after `| head`, the work goes on in silence:
/// a cluster that starts shall not be left halfway.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}
