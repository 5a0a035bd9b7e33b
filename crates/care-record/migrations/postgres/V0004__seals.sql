-- Sealed items across people, for the one who keeps an eye on seals: a small part of all.
CREATE INDEX item_sealed ON item (received_at) WHERE sensitivity IN (2, 3);
