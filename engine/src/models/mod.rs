//! The models: which there are, where they come from, and whether the copies here are intact.
//!
//! [`Manifest`] is what is known about them, [`Library`] the folder that holds them, `pull` the
//! way from one to the other. A model is addressed by its id; its files lie in
//! `<models_dir>/<id>/<name>`.

mod hub;
mod library;
mod manifest;
mod package;
mod pull;

pub use hub::HubError;
pub use library::{FileState, Library, LibraryError, Verified};
pub use manifest::{Manifest, Model, ModelFile, Purpose, Source};
pub use package::{Clients, PackageError};
pub use pull::{Pull, PullError, Reason};
