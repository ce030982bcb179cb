"""What happened and why, in SQL: the only place besides the migrations that knows SQLAlchemy."""
