"""stub"""

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from api.auth import SignInNeededError, FOR_ALL, ForPages

router = APIRouter(include_in_schema=False)


async def _go(request, error):
    return RedirectResponse("/login", 303)


@router.get("/")
def wall(p: ForPages): ...


for m in ("/login", "/assets/{name}", "/favicon.ico"):
    router.get(m, dependencies=[FOR_ALL])(lambda: {})
for m in ("/login", "/logout"):
    router.post(m, dependencies=[FOR_ALL])(lambda: {})


def install(app: FastAPI) -> None:
    app.add_exception_handler(SignInNeededError, _go)
