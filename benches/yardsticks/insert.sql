-- The yardstick of the accepts on PostgreSQL: one durable INSERT for each request, which pgbench sends over as many connections.
INSERT INTO accepted (workspace_id, kind, args) VALUES ('wsp_019a0000000070008000000000000000', 'mail', '{"to":"ada@example.com","template":"welcome","data":{"name":"Ada","link":"https://example.com/verify?token=abc"}}');
