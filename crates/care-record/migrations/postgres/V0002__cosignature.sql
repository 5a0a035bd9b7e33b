-- What witnesses signed: the signature line over the checkpoint of this size.
CREATE TABLE cosignature (
  size    bigint NOT NULL,
  witness text COLLATE "C" NOT NULL,
  line    text NOT NULL,
  PRIMARY KEY (size, witness)
);
