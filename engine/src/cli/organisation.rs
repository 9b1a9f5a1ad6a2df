//! `causerie organisation`.

use std::process::ExitCode;

use super::{OrganisationArgs, OrganisationCommand};
use crate::config::Config;
use crate::store::{Store, StoreError};

/// Lists the organisations of the database, or makes another. A running engine knows it at once.
pub async fn run(args: &OrganisationArgs, config: &Config) -> ExitCode {
    match work(args, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causerie: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work(args: &OrganisationArgs, config: &Config) -> Result<(), StoreError> {
    let store = Store::open_with_key(&config.data_dir, config.encryption_key.as_ref()).await?;
    match &args.command {
        OrganisationCommand::List => {
            for (id, name, made) in store.organisations().await? {
                println!("{id}  {}  {}", made.to_iso(), name.unwrap_or_default());
            }
        }
        OrganisationCommand::Add { name } => {
            let made = store.new_organisation(name.as_deref()).await?;
            println!("organisation: {}", made.id);
            for (kind, key) in &made.new_keys {
                println!("{} key, shown this once: {}", kind.name(), key.expose());
            }
        }
    }
    store.close().await;
    Ok(())
}
