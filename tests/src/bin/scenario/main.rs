//! One end of an exchange, as a process of its own, so that it can be starved or disturbed:
//!
//! ```text
//! scenario listen [--descriptors N]   echoes until its standard input ends, then shuts down
//! scenario client URL                 echoes of mixed sizes, a Ping, a Close
//! ```
//!
//! Both count the descriptors that they hold before and after, and say so. They end with status 0
//! if all went well, 1 with an error that has a type, 3 if a descriptor is left over, 4 if
//! something came that was never sent; a panic is 101.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod roles;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    roles::main()
}

/// Descriptors are counted in /proc.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
