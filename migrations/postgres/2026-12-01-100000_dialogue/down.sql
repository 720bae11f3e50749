ALTER TABLE attempts DROP COLUMN transcript;
