from router.routes import Router

__all__ = ["Router"]
