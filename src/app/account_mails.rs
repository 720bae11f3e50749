//! The kinds that mail about accounts, with where their links lead.

use std::sync::Arc;

use crate::config::Config;
use crate::jobs::Registry;
use crate::jobs::kinds::{
    AccountExists, AddressChangedArgs, AddressMail, DeletionAskedArgs, NewDeviceMail, Notice, PasswordChangedArgs,
    Postbox, RegistrationMail, ResetMail,
};
use crate::keyring::KeyRing;
use crate::store::Store;

/// Adds them to the kinds that are known.
pub(super) fn add(
    registry: Registry,
    config: &Config,
    postbox: &Postbox,
    store: &Store,
    keys: &Arc<KeyRing>,
) -> Registry {
    let base = config.public_url.as_str();
    let page = |path| config.public_url.join(path);
    let (postbox, store, keys) = (|| postbox.clone(), || store.clone(), || Arc::clone(keys));
    registry
        .with(RegistrationMail::new(postbox(), store(), keys(), &page("/verify")))
        .with(AddressMail::new(postbox(), store(), keys(), &page("/confirm-address")))
        .with(ResetMail::new(postbox(), store(), keys(), &page("/reset")))
        .with(AccountExists::new(postbox(), store(), base))
        .with(NewDeviceMail::new(postbox(), store(), base))
        .with(Notice::<AddressChangedArgs>::new(postbox(), store(), base))
        .with(Notice::<PasswordChangedArgs>::new(postbox(), store(), base))
        .with(Notice::<DeletionAskedArgs>::new(postbox(), store(), base))
}
