"""nbconvert's template of a page: data, in a package so that it is installed with the rest."""
