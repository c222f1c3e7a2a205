"""Programs that use Statehouse for something real; each folder has a README."""
