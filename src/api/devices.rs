//! Browsers and programs that have logged in before: what they are known by, and the mail about one that is not known.
//!
//! Guarantees: what a browser shows is checked without a read, so that it counts before the password is looked at; it is a proof
//! that the keys of this service made of the device and the account's address, so that nobody makes one up, and one made for
//! another address says nothing. It lets nobody in: it tells the owner apart from strangers, where those try many passwords.
//!
//! A program that keeps no cookies is known by its name and its network once it has logged in. An account's first login is told
//! to nobody, since it follows a mail already.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, time};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::State;
use super::client::Client;
use super::credentials::{self, name_of};
use super::security_log::Happening;
use crate::clock::Timestamp;
use crate::domain::device::{KnownDevice, KnownDevices};
use crate::domain::email::EmailAddress;
use crate::domain::id::{DeviceId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::jobs::kinds::{NewDeviceMail, NewDeviceMailArgs};
use crate::jobs::{Order, new_job};
use crate::keyring::KeyRing;
use crate::store::accounts::Account;
use crate::store::devices::{self, Device};
use crate::store::{NewJob, StoreError, Tx};

/// The cookie by which a browser is known, without the prefix that it has with TLS.
const COOKIE: &str = "legwork_device";
/// How long a browser is known after its last login.
const KEPT: time::Duration = time::Duration::days(365);
/// What the proofs are derived for.
const PURPOSE: &str = "device";

/// Who comes to log in.
#[derive(Clone)]
pub(super) struct Visitor {
    client: Client,
    shown: KnownDevices,
    /// The one of those that is good for the address.
    device: Option<DeviceId>,
}

/// Who has come in.
pub(super) struct Known {
    /// By which device.
    pub(super) device: DeviceId,
    /// The mail about it, if it is new.
    pub(super) mail: Option<NewJob>,
}

impl Visitor {
    /// Who sent `request`, to log in with this address.
    pub(super) fn of(request: &HttpRequest, address: &EmailAddress, state: &State) -> Self {
        let cookie = request.cookie(&name_of(COOKIE, &state.config));
        let shown = cookie.map(|cookie| KnownDevices::parse(cookie.value()));
        let shown = shown.unwrap_or_default();
        let canonical = address.canonical();
        let is_good = |known: &KnownDevice| state.keys.verify(PURPOSE, &subject(known.id, &canonical), &known.proof);
        Self {
            client: Client::of(request),
            device: shown.find(is_good),
            shown,
        }
    }

    /// The device that logged in with this address before, if it is one.
    pub(super) fn device(&self) -> Option<DeviceId> {
        self.device
    }

    /// Notes that it has logged in to this account; if it is new, tells the owner.
    ///
    /// # Errors
    /// When a statement fails.
    pub(super) fn come_in(
        &self,
        tx: &mut Tx<'_>,
        account: &Account,
        happening: &Happening,
        now: Timestamp,
    ) -> Result<Known, StoreError> {
        let device = Device {
            id: DeviceId::generate(),
            account: account.id,
            user_agent: self.client.user_agent.clone(),
            network: self.client.network().map(|network| network.to_string()),
            created_at: now,
            last_used_at: now,
        };
        let is_alike = |other: &Device| other.user_agent == device.user_agent && other.network == device.network;
        let known = match self.device {
            Some(id) => Some(id),
            None => {
                let mut all = devices::of_account(tx.connection(), account.id)?.into_iter();
                all.find(is_alike).map(|other| other.id)
            }
        };
        if let Some(id) = known {
            let used = Device { id, ..device.clone() };
            if devices::touch(tx.connection(), &used)? {
                return Ok(Known { device: id, mail: None });
            }
        }
        let is_first = devices::insert(tx.connection(), &device, account.workspace)?;
        if is_first {
            return Ok(Known {
                device: device.id,
                mail: None,
            });
        }
        happening.note(tx, account, SecurityEvent::NewDevice, json!({ "device": device.id }))?;
        let args = NewDeviceMailArgs {
            account: account.id,
            device: device.id,
        };
        let order = Order {
            request_id: Some(happening.request_id().to_owned()),
            ..Order::default()
        };
        // Two ids are always written as JSON.
        let mail = new_job::<NewDeviceMail>(&args, WorkspaceId::SERVICE, now, order).ok();
        if let Some(job) = &mail {
            tx.enqueue(job)?;
        }
        Ok(Known {
            device: device.id,
            mail,
        })
    }
}

/// The cookie by which the browser is known from now on.
pub(super) fn cookie(visitor: &Visitor, device: DeviceId, address: &EmailAddress, state: &State) -> Cookie<'static> {
    let known = KnownDevice {
        id: device,
        proof: proof(device, address, &state.keys),
    };
    let all = visitor.shown.clone().with(known, visitor.device);
    credentials::cookie(COOKIE, all.to_text(), KEPT, &state.config)
}

fn proof(device: DeviceId, address: &EmailAddress, keys: &KeyRing) -> String {
    let (_, proof) = keys.derive(PURPOSE, &subject(device, &address.canonical()));
    proof.expose_secret().to_owned()
}

/// Ids have one length, so that no two pairs are written alike.
fn subject(device: DeviceId, canonical: &str) -> String {
    format!("{device} {canonical}")
}
