-- What witnesses signed: the signature line over the checkpoint of this size.
CREATE TABLE cosignature (
  size    INTEGER NOT NULL,
  witness TEXT    NOT NULL,
  line    TEXT    NOT NULL,
  PRIMARY KEY (size, witness)
) STRICT, WITHOUT ROWID;
