// Sends mails by nodemailer's pool and says how many a second: node nodemailer.cjs host port connections mails bytes, in a
// folder whose node_modules has nodemailer.
const nodemailer = require(require.resolve("nodemailer", { paths: [process.cwd()] }));
const [host, port, connections, mails, bytes] = process.argv.slice(2);
const pool = nodemailer.createTransport({
  host, port: Number(port), ignoreTLS: true, pool: true, maxConnections: Number(connections), maxMessages: Infinity,
});
const text = ("x".repeat(62) + "\r\n").repeat(Number(bytes) / 64);
let begun = 0;
const one = async () => {
  while (begun < Number(mails)) {
    begun += 1;
    await pool.sendMail({ from: "legwork@example.com", to: "ada@example.com", subject: "A figure", text });
  }
};
const start = process.hrtime.bigint();
// Twice as many callers as connections, so that none of these waits for a caller.
Promise.all(Array.from({ length: 2 * Number(connections) }, one)).then(() => {
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  console.log((Number(mails) / seconds).toFixed(3));
  pool.close();
});
