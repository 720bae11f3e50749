//! Debian's Postfix, with Cyrus SASL for its logins, as root and apart from one that the machine may run.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::mail_server::{MailServer, Prepared};
use super::required;

const MASTER: &str = "/usr/lib/postfix/sbin/master";
const SASLPASSWD: &str = "/usr/sbin/saslpasswd2";
/// The user and the group `nobody`, who keeps the mails.
const NOBODY: u32 = 65_534;

/// A Postfix whose logins are by these mechanisms; none if it cannot be had here.
pub(crate) async fn start(mechanisms: &str) -> Option<MailServer> {
    if !required::by_root("postfix", &[Path::new(MASTER), Path::new(SASLPASSWD)]) {
        return None;
    }
    let prepared = Prepared::new();
    let folder = prepared.path().display().to_string();
    // The owner of what the package has installed: its group is `postdrop`.
    let postdrop = std::fs::metadata("/usr/sbin/postdrop").unwrap().gid();
    let postfix = user_id("postfix");
    prepared.make("sasl", 0o755, None);
    prepared.make("queue", 0o755, None);
    for name in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
    ] {
        prepared.make(&format!("queue/{name}"), 0o700, Some((postfix, 0)));
    }
    prepared.make("queue/pid", 0o755, None);
    prepared.make("queue/maildrop", 0o730, Some((postfix, postdrop)));
    prepared.make("queue/public", 0o710, Some((postfix, postdrop)));
    prepared.make("data", 0o700, Some((postfix, 0)));
    prepared.make("mail", 0o700, Some((NOBODY, NOBODY)));
    prepared.write("main.cf", &main_cf(&folder));
    prepared.write("master.cf", &master_cf(&prepared));
    let users = format!("{folder}/sasldb2");
    let sasl =
        format!("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {users}\nmech_list: {mechanisms}\n");
    prepared.write("sasl/smtpd.conf", &sasl);
    let mut adding = Command::new(SASLPASSWD)
        .args(["-c", "-p", "-f", &users, "-u", "relay.test", "ada"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    adding.stdin.take().unwrap().write_all(b"open sesame").unwrap();
    assert!(adding.wait().unwrap().success());
    std::os::unix::fs::chown(&users, Some(postfix), None).unwrap();
    let mut command = Command::new(MASTER);
    command.args(["-c", &folder]);
    Some(prepared.start(command).await)
}

fn user_id(name: &str) -> u32 {
    let said = Command::new("id").args(["-u", name]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().parse().unwrap()
}

fn main_cf(folder: &str) -> String {
    format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.test
mydestination =
inet_protocols = ipv4
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {{ ada@example.org = ada/ }} {{ bob@example.org = bob/ }} }}
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = relay.test
cyrus_sasl_config_path = {folder}/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_peername_lookup = no
"
    )
}

fn master_cf(prepared: &Prepared) -> String {
    let (starttls, tls) = (prepared.starttls_port, prepared.tls_port);
    format!(
        "127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"
    )
}
