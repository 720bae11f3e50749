//! The database as the whole service meets it.

mod disk_full;
mod durability;
mod neighbours;
mod outage;
mod server;
