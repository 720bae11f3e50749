//! What clients may ask for, by where they come from: strangers who register, log in and ask for links, and members' work.
//!
//! Guarantees: an address is counted alike whether or not it has an account, so that nobody learns which have one. No stranger
//! locks anybody out: a device that logged in to an account before has a bucket of its own there, which nobody else takes from;
//! whoever comes without one is slowed by what strangers elsewhere try, and still has tries to spare that only its
//! surroundings take from; and whoever cannot ask for another link has the newest one in the mailbox.

use std::hash::BuildHasher as _;

use super::buckets::{Buckets, Policy, Refusal};
use super::network::Network;
use super::{HOUR, MINUTE, Throttle, refused, refused_at};
use crate::api::client::Client;
use crate::api::http::Problem;
use crate::clock::Clock;
use crate::config;
use crate::domain::email::EmailAddress;
use crate::domain::id::DeviceId;
use crate::store::accounts::Account;

/// An address as a number, so that none is kept.
type AddressNumber = u64;

/// What clients have left.
#[derive(Debug)]
pub(super) struct Clients {
    /// Registrations, logins, verifications and the like from one network.
    entries: Buckets<Network>,
    /// Registrations from one network: each has a mail sent to whatever address it names.
    registrations: Buckets<Network>,
    /// Those among them with one address.
    registrations_of_one: Buckets<(AddressNumber, Network)>,
    /// Links for another password or address asked for from one network, which are mails too.
    resets_of_network: Buckets<Network>,
    /// Those among them for one address.
    resets: Buckets<(AddressNumber, Network)>,
    /// Those for one address, from wherever.
    resets_of_one: Buckets<AddressNumber>,
    /// Logins with one address from one network.
    logins: Buckets<(AddressNumber, Network)>,
    /// Logins with one address by one device that knows it.
    logins_by_device: Buckets<(AddressNumber, DeviceId)>,
    /// Logins with one address by whoever has no such device, from wherever.
    logins_of_one: Buckets<AddressNumber>,
    /// Those that go on when these are used up, from the surroundings of one network.
    logins_to_spare: Buckets<(AddressNumber, Network)>,
    /// Refused logins that are written down.
    refusals: Buckets<()>,
    /// Jobs that members ask for from one network.
    work: Buckets<Network>,
    addresses: std::hash::RandomState,
}

impl Clients {
    /// What the settings say, all buckets full.
    pub(super) fn new(limits: &config::Limits, clock: &Clock) -> Self {
        let minute = |name, amount| Policy::new(name, amount, MINUTE);
        let hour = |name, amount| Policy::new(name, amount, HOUR);
        let (logins, spare) = (limits.logins_per_minute, limits.logins_per_hour_spare);
        Self {
            entries: Buckets::new(minute("entries", limits.entries_per_minute), clock),
            registrations: Buckets::new(hour("registrations", limits.registrations_per_hour), clock),
            registrations_of_one: Buckets::new(
                hour("address_registrations", limits.registrations_per_hour_address),
                clock,
            ),
            resets_of_network: Buckets::new(hour("network_resets", limits.resets_per_hour_network), clock),
            resets: Buckets::new(hour("resets", limits.resets_per_hour), clock),
            resets_of_one: Buckets::new(hour("address_resets", limits.resets_per_hour_address), clock).in_silence(),
            logins: Buckets::new(minute("logins", logins), clock),
            logins_by_device: Buckets::new(minute("logins", logins), clock),
            logins_of_one: Buckets::new(minute("address_logins", limits.logins_per_minute_address), clock).in_silence(),
            logins_to_spare: Buckets::new(hour("address_logins", spare).with_burst(1), clock).in_silence(),
            refusals: Buckets::new(minute("refusals", limits.refusals_kept_per_minute), clock).in_silence(),
            work: Buckets::new(minute("network_jobs", limits.jobs_per_minute_network), clock),
            addresses: std::hash::RandomState::new(),
        }
    }

    pub(super) fn sweep(&self) {
        self.entries.sweep();
        self.registrations.sweep();
        self.registrations_of_one.sweep();
        self.resets_of_network.sweep();
        self.resets.sweep();
        self.resets_of_one.sweep();
        self.logins.sweep();
        self.logins_by_device.sweep();
        self.logins_of_one.sweep();
        self.logins_to_spare.sweep();
        self.work.sweep();
    }

    fn number(&self, address: &EmailAddress) -> AddressNumber {
        self.addresses.hash_one(address.canonical())
    }

    /// Takes a login by whoever has no device that knows the address.
    fn take_strange_login(&self, address: AddressNumber, network: Network) -> Result<(), Refusal> {
        self.logins.take(&(address, network), 1)?;
        let Err(refusal) = self.logins_of_one.take(&address, 1) else {
            return Ok(());
        };
        let spare = self.logins_to_spare.take(&(address, network.surroundings()), 1);
        // Whichever lets through first.
        spare.map_err(|spare| if spare.wait < refusal.wait { spare } else { refusal })
    }
}

/// Whoever comes by no network, as a test does, is let through by all of them.
impl Throttle {
    /// Takes one registration, login, verification or the like of a network.
    pub(in crate::api) fn take_entry(&self, client: &Client) -> Result<(), Problem> {
        let Some(network) = client.network() else { return Ok(()) };
        let told = self.clients.entries.take(&network, 1);
        told.map_err(|refusal| refused(&refusal, "too many registrations and logins come from this network"))
    }

    /// Takes one registration of a network with this address.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub(in crate::api) fn take_registration(&self, address: &EmailAddress, client: &Client) -> Result<(), Problem> {
        let Some(network) = client.network() else { return Ok(()) };
        let key = (self.clients.number(address), network);
        let told = self.clients.registrations_of_one.take(&key, 1);
        told.map_err(|refusal| {
            refused(
                &refusal,
                "too many registrations with this address come from this network",
            )
        })?;
        let told = self.clients.registrations.take(&network, 1);
        told.map_err(|refusal| refused(&refusal, "too many registrations come from this network"))
    }

    /// Takes one link for another password, to be mailed to this address.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub(in crate::api) fn take_reset(&self, address: &EmailAddress, client: &Client) -> Result<(), Problem> {
        self.take_link(address, client)
    }

    /// Takes one link that makes this the address of an account, out of the same buckets: it is mailed there too.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub(in crate::api) fn take_address_change(&self, address: &EmailAddress, client: &Client) -> Result<(), Problem> {
        self.take_link(address, client)
    }

    fn take_link(&self, address: &EmailAddress, client: &Client) -> Result<(), Problem> {
        let Some(network) = client.network() else { return Ok(()) };
        let address = self.clients.number(address);
        let of_one = |refusal| {
            let told = "links for this address were asked for lately; use the newest mail";
            refused(&refusal, told)
        };
        // That of the network after that of one address there: who asks in vain does not use up what others share.
        self.clients.resets.take(&(address, network), 1).map_err(of_one)?;
        let told = self.clients.resets_of_network.take(&network, 1);
        told.map_err(|refusal| refused(&refusal, "too many links were asked for from this network"))?;
        self.clients.resets_of_one.take(&address, 1).map_err(of_one)
    }

    /// Takes one login with this address: by `device`, if that logged in to the account of this very address before (a device
    /// that another account knows must not be handed over here), else by a stranger.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub(in crate::api) fn take_login(
        &self,
        address: &EmailAddress,
        client: &Client,
        device: Option<DeviceId>,
    ) -> Result<(), Problem> {
        let Some(network) = client.network() else { return Ok(()) };
        let address = self.clients.number(address);
        let told = match device {
            Some(device) => self.clients.logins_by_device.take(&(address, device), 1),
            None => self.clients.take_strange_login(address, network),
        };
        told.map_err(|refusal| refused(&refusal, "too many logins with this address were tried"))
    }

    /// Whether one more refused login is to be written down: of a flood of them, only the first of each minute are. To be asked
    /// alike for known and for unknown addresses.
    pub(in crate::api) fn keeps_refusal(&self) -> bool {
        self.clients.refusals.take(&(), 1).is_ok()
    }

    /// Takes so many jobs of the network that a member asks from; operators' own have no limit.
    ///
    /// # Errors
    /// 429 if there were too many; 422, of what stands at `pointer`, if it is more than any wait will allow.
    pub(in crate::api) fn take_network_work(
        &self,
        account: &Account,
        client: &Client,
        count: usize,
        pointer: &str,
    ) -> Result<(), Problem> {
        let Some(network) = client.network().filter(|_| !account.is_operator) else {
            return Ok(());
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let told = self.clients.work.take(&network, count);
        let never = (pointer, "has more jobs than may come from one network at once");
        told.map_err(|refusal| refused_at(&refusal, "too many jobs are asked for from this network", never))
    }
}
