-- What was said with whoever is outside, for people who look at the attempt; none of attempts that spoke with nobody.
ALTER TABLE attempts ADD COLUMN transcript TEXT COLLATE "C";
