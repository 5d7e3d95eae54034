//! Who may see the state of the mesh.

use clap::ValueEnum;

/// Who may see `/status`.
///
/// ```
/// use presence_server::{Config, StatusAccess};
///
/// assert_eq!(Config::of([]).unwrap().status, StatusAccess::Private);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum StatusAccess {
    /// The holder of a key for all sites, and callers on this machine.
    Private,
    /// Anybody.
    Public,
}
