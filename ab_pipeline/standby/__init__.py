"""Any number of daemons, of which one leads: `ab-pipeline daemon`."""
